/**
 * The page's own icons: strokes on a 24 by 24 field.
 */
const shapes = {
  microphone: ["M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3z", "M5.5 11a6.5 6.5 0 0 0 13 0", "M12 17.5V21"],
  microphoneOff: [
    "M9 9.500V11a3 3 0 0 0 4.6 2.500",
    "M15 10.500V6a3 3 0 0 0-5.800-1",
    "M5.500 11a6.500 6.500 0 0 0 10.200 5.300",
    "M18.500 11c0 1-.2 1.900-.6 2.700",
    "M12 17.500V21",
    "M4 3.500l16 17",
  ],
  camera: ["M4.500 6.500h9a1.500 1.500 0 0 1 1.500 1.500v8a1.500 1.500 0 0 1-1.500 1.500h-9A1.500 1.500 0 0 1 3 16V8a1.500 1.500 0 0 1 1.500-1.500z", "M15 10.500l6-3.500v10l-6-3.500"],
  cameraOff: ["M10 6.500h3.500A1.500 1.500 0 0 1 15 8v4", "M14.600 17.100a1.500 1.500 0 0 1-1.100.4h-9A1.500 1.500 0 0 1 3 16V8a1.500 1.500 0 0 1 1.500-1.500h.6", "M15 10.500l6-3.500v10l-4-2.300", "M3.500 3.500l17 17"],
  screen: ["M4.500 4.500h15A1.500 1.500 0 0 1 21 6v9a1.500 1.500 0 0 1-1.500 1.500h-15A1.500 1.500 0 0 1 3 15V6a1.500 1.500 0 0 1 1.500-1.500z", "M8.500 20h7", "M12 13.500v-6", "M9.200 10l2.800-2.800 2.800 2.800"],
  screenOff: ["M4.500 4.500h15A1.500 1.500 0 0 1 21 6v9a1.500 1.500 0 0 1-1.500 1.500h-15A1.500 1.500 0 0 1 3 15V6a1.500 1.500 0 0 1 1.500-1.500z", "M8.500 20h7", "M9.500 8l5 5", "M14.500 8l-5 5"],
  settings: ["M4 7h9", "M17 7h3", "M4 17h3", "M11 17h9", "M15 4.800a2.200 2.200 0 1 1 0 4.400 2.200 2.200 0 0 1 0-4.400z", "M9 14.800a2.200 2.200 0 1 1 0 4.400 2.200 2.200 0 0 1 0-4.400z"],
  leave: ["M3.500 14.500c-.8-.8-.7-2.100.1-2.900 4.700-4.300 12.100-4.300 16.800 0 .8.8.9 2.100.1 2.900l-1.300 1.300c-.5.5-1.300.6-1.900.2l-2.300-1.500c-.5-.3-.7-.9-.6-1.400l.2-1.300a10 10 0 0 0-5.200 0l.2 1.300c.1.500-.1 1.100-.6 1.400l-2.300 1.500c-.6.4-1.400.3-1.900-.2z"],
  link: ["M10 14a4 4 0 0 0 5.700.3l3.200-3.200a4 4 0 0 0-5.700-5.700l-1.100 1.100", "M14 10a4 4 0 0 0-5.700-.3l-3.200 3.200a4 4 0 0 0 5.700 5.700l1.100-1.100"],
  pin: ["M14 4h6v6", "M20 4l-7 7", "M10 20H4v-6", "M4 20l7-7"],
  unpin: ["M20 10h-6V4", "M14 10l7-7", "M4 14h6v6", "M10 14l-7 7"],
  pause: ["M9 6v12", "M15 6v12"],
  data: ["M8 4v13", "M4.500 13.500L8 17l3.500-3.500", "M16 20V7", "M12.500 10.500L16 7l3.500 3.500"],
  close: ["M6 6l12 12", "M18 6L6 18"],
} as const;

export type IconName = keyof typeof shapes;

const NAMESPACE = "http://www.w3.org/2000/svg";

/** Makes an icon; it is decoration, the control beside it carries the words. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(NAMESPACE, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  for (const d of shapes[name]) {
    const path = document.createElementNS(NAMESPACE, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

/** Makes the four bars of a connection's quality; CSS fills them by data-quality. */
export function bars(): SVGSVGElement {
  const svg = document.createElementNS(NAMESPACE, "svg");
  svg.setAttribute("viewBox", "0 0 20 16");
  svg.setAttribute("class", "bars");
  svg.setAttribute("aria-hidden", "true");
  for (let i = 0; i < 4; i++) {
    const bar = document.createElementNS(NAMESPACE, "rect");
    const height = 4 + i * 4;
    for (const [name, value] of Object.entries({ x: i * 5 + 0.5, y: 16 - height, width: 3.5, height, rx: 1.2 })) {
      bar.setAttribute(name, String(value));
    }
    svg.append(bar);
  }
  const cross = document.createElementNS(NAMESPACE, "path");
  cross.setAttribute("d", "M2 2l9 9M11 2l-9 9");
  svg.append(cross);
  return svg;
}

/** The product's mark: two waves. */
export function mark(): SVGSVGElement {
  const svg = document.createElementNS(NAMESPACE, "svg");
  svg.setAttribute("viewBox", "0 0 64 64");
  svg.setAttribute("class", "mark");
  svg.setAttribute("aria-hidden", "true");
  for (const d of ["M8 24c8-9 16-9 24 0s16 9 24 0", "M16 44c5.500-6 10.500-6 16 0s10.500 6 16 0"]) {
    const path = document.createElementNS(NAMESPACE, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}
