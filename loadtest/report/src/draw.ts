/*! The plots are drawn by uPlot 1.6.32, Copyright (c) 2025 Leon Sorokin, MIT License */
// Draws the panels of one run with uPlot, under one cursor.
import uPlot from "../uplot/uPlot.esm.js";
import { panels, type Panel, type Plot } from "./series";

const axis = () => ({
  stroke: getComputedStyle(document.body).color,
  grid: { stroke: "rgba(128,128,128,.25)", width: 1 }, ticks: { stroke: "rgba(128,128,128,.25)", width: 1 },
});

/** draw adds the plots of a run to a cell that is in the document. */
export function draw(cell: HTMLElement, plot: Plot) {
  const box = document.createElement("figure");
  cell.append(box);
  box.append(...figures(plot));
  const cursor = uPlot.sync(plot.title);
  const drawn = panels(plot).map((p) => one(box, p, plot, cursor.key));
  const width = () => Math.max(cell.clientWidth - 16, 200);
  const fit = new ResizeObserver(() => {
    if (!box.isConnected) fit.disconnect();
    else for (const d of drawn) d.plot.setSize({ width: width(), height: d.height });
  });
  fit.observe(cell);
}

/** figures tells what the run missed, and its metrics that the table has no room for. */
function figures(plot: Plot): HTMLElement[] {
  const told = (name: string, text: string) => {
    const p = document.createElement("p");
    p.className = name;
    p.textContent = text;
    return p;
  };
  const all = [told("run", `${plot.title}: ${plot.missed?.length ? "missed " + plot.missed.join("; ") : "missed nothing"}`)];
  const more = Object.entries(plot.more ?? {});
  if (more.length) all.push(told("more", more.map(([name, v]) => `${name} ${v ?? "-"}`).join("   ")));
  return all;
}

function one(box: HTMLElement, p: Panel, plot: Plot, key: string) {
  const length = Math.max(...p.lines.map((l) => l.values.length));
  const times = Array.from({ length }, (_, i) => i * plot.step);
  const said = document.createElement("p");
  said.className = "said";
  const tell = (i?: number | null) => {
    said.textContent = (p.words ?? []).map((w) => `${w.name}: ${i == null ? "(point at a moment)" : w.values[i] || "-"}`).join("   ");
  };
  tell();
  const u = new uPlot({
    title: p.title, width: 800, height: p.height,
    cursor: { sync: { key } },
    scales: { x: { time: false }, y: { range: (_: unknown, low: number, high: number) => [Math.min(low, 0), high * 1.05 || 1] } },
    axes: [{ ...axis(), values: (_: unknown, all: number[]) => all.map((v) => `${v} s`) }, { ...axis(), label: p.unit, size: 60 }],
    series: [{ label: "s" }, ...p.lines.map((l) => ({ label: l.name, stroke: l.colour, width: l.width ?? 1.4, points: { show: false } }))],
    hooks: { setCursor: [(self: { cursor: { idx?: number | null } }) => tell(self.cursor.idx)] },
  }, [times, ...p.lines.map((l) => l.values)], box);
  u.root.setAttribute("role", "img");
  u.root.setAttribute("aria-label", `${plot.title}: ${p.title} ${p.unit} over time`);
  if (p.words?.length) box.append(said);
  return { plot: u, height: p.height };
}
