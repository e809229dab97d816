// What the page is given of one run, and which lines it makes of that.

export interface Direction { capacity?: number[]; rate: number[]; voice: number[]; target: number[]; queue: number[] }

export interface Person {
  name: string; down: Direction; up: Direction;
  hole: number[]; delay: number[]; fps?: number[]; height?: number[]; modes?: string[]; layers?: string[];
}

export interface Plot {
  title: string; step: number; // seconds
  missed?: string[]; more?: Record<string, number | null>;
  capacity?: number[]; rate?: number[]; target?: number[]; other?: number[]; queue?: number[]; loss?: number[];
  flows?: number[][]; people?: Person[];
}

export interface Line { name: string; values: number[]; colour: string; width?: number }

/** One panel: lines over a common axis; words are told under the cursor. */
export interface Panel { title: string; unit: string; height: number; lines: Line[]; words?: { name: string; values: string[] }[] }

const colours = {
  capacity: "#9e9e9e", target: "#f9a825", rate: "#1976d2", other: "#8e24aa", queue: "#d84315", loss: "#c62828",
  voice: "#2e7d32", hole: "#c62828", delay: "#00838f", fps: "#1976d2", height: "#8e24aa",
};
const flowColours = ["#1976d2", "#2e7d32", "#8e24aa", "#00838f", "#ad1457", "#5d4037"];

const line = (name: keyof typeof colours, values?: number[], width?: number): Line[] =>
  values?.length ? [{ name, values, colour: colours[name], width }] : [];

/** Targets beyond what can be drawn beside the rates end at the edge. */
function bounded(target: number[] | undefined, ...others: (number[] | undefined)[]): number[] | undefined {
  let highest = 0;
  for (const values of others) for (const v of values ?? []) highest = Math.max(highest, v);
  return highest ? target?.map((v) => Math.min(v, highest * 1.6)) : target;
}

/** panels answers what to draw of a run. */
export function panels(plot: Plot): Panel[] {
  if (plot.people?.length) return plot.people.flatMap(person);
  const rates = [...line("capacity", plot.capacity, 2.5), ...line("target", bounded(plot.target, plot.capacity, plot.rate)), ...line("other", plot.other)];
  if (plot.flows?.length) plot.flows.forEach((values, i) => rates.push({ name: `flow ${i + 1}`, values, colour: flowColours[i % flowColours.length] }));
  else rates.push(...line("rate", plot.rate));
  return [
    { title: plot.title, unit: "kbit/s", height: 260, lines: rates },
    { title: "", unit: "queue ms", height: 140, lines: line("queue", plot.queue) },
    { title: "", unit: "loss %", height: 110, lines: line("loss", plot.loss) },
  ].filter((p) => p.lines.length > 0);
}

function person(p: Person): Panel[] {
  const direction = (name: string, d: Direction): Panel => ({
    title: `${p.name}: ${name}`, unit: "kbit/s", height: 190,
    lines: [...line("capacity", d.capacity, 2.5), ...line("target", bounded(d.target, d.capacity, d.rate)), ...line("rate", d.rate), ...line("voice", d.voice)],
  });
  const down = direction("what comes", p.down);
  down.words = [];
  if (p.modes?.length) down.words.push({ name: "voice mode", values: p.modes });
  if (p.layers?.length) down.words.push({ name: "layer", values: p.layers });
  const all: Panel[] = [
    down, direction("what is sent", p.up),
    { title: "", unit: "queue ms", height: 130, lines: [
      ...line("queue", p.down.queue), { name: "queue of what is sent", values: p.up.queue, colour: colours.other }] },
    { title: "", unit: "hole %", height: 110, lines: line("hole", p.hole) },
    { title: "", unit: "delay ms", height: 110, lines: line("delay", p.delay) },
    { title: "", unit: "frames/s", height: 110, lines: line("fps", p.fps) },
    { title: "", unit: "lines", height: 110, lines: line("height", p.height) },
  ];
  return all.filter((panel) => panel.lines.some((l) => l.values?.length));
}
