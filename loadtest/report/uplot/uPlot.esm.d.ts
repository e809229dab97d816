/** What src/draw.ts uses of uPlot 1.6.32; for the check of types only. */
export default class uPlot {
  constructor(options: object, data: (number | null)[][], into: HTMLElement);
  static sync(key: string): { key: string };
  readonly root: HTMLElement;
  setSize(size: { width: number; height: number }): void;
}
