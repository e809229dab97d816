"use strict";
// Draws a run below its row: rates, queue and loss over one axis of time.
const colours = { capacity: "#9e9e9e", target: "#f9a825", rate: "#1976d2", other: "#8e24aa", queue: "#d84315", loss: "#c62828" };
const flowColours = ["#1976d2", "#2e7d32", "#8e24aa", "#00838f", "#ad1457"];

function ticks(max) {
  const rough = max / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const all = [];
  for (let v = 0; v <= max * 1.0001; v += step) all.push(+v.toPrecision(6));
  return all;
}

function panel(canvas, seconds, step, unit, lines, cursor) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight, left = 58, right = 8, top = 8, bottom = 20;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const c = canvas.getContext("2d");
  c.scale(scale, scale);
  const ink = getComputedStyle(document.body).color;
  let max = 0;
  for (const l of lines) for (const v of l.values) max = Math.max(max, l.cap ? Math.min(v, l.cap) : v);
  max = max * 1.08 || 1;
  const x = (t) => left + (t / seconds) * (width - left - right);
  const y = (v) => height - bottom - (Math.min(v, max) / max) * (height - top - bottom);
  c.font = "11px system-ui, sans-serif";
  c.fillStyle = ink;
  c.strokeStyle = "rgba(128,128,128,.3)";
  c.lineWidth = 1;
  c.textAlign = "right";
  for (const v of ticks(max)) {
    c.beginPath(); c.moveTo(left, y(v)); c.lineTo(width - right, y(v)); c.stroke();
    c.fillText(v, left - 6, y(v) + 4);
  }
  c.save(); c.translate(12, height / 2); c.rotate(-Math.PI / 2); c.textAlign = "center"; c.fillText(unit, 0, 0); c.restore();
  c.textAlign = "center";
  for (const t of ticks(seconds)) c.fillText(t + " s", Math.min(x(t), width - 16), height - 5);
  for (const l of lines) {
    c.strokeStyle = l.colour;
    c.lineWidth = l.wide || 1.4;
    c.beginPath();
    l.values.forEach((v, i) => (i ? c.lineTo(x(i * step), y(v)) : c.moveTo(x(0), y(v))));
    c.stroke();
  }
  if (cursor !== undefined) {
    c.strokeStyle = ink;
    c.lineWidth = 1;
    c.beginPath(); c.moveTo(x(cursor * step), top); c.lineTo(x(cursor * step), height - bottom); c.stroke();
  }
}

function figure(plot) {
  const box = document.createElement("figure");
  const caption = document.createElement("figcaption");
  box.append(caption);
  const rates = [{ name: "capacity", values: plot.capacity, colour: colours.capacity, wide: 2.5 }];
  const highest = Math.max(...plot.capacity, ...plot.rate);
  rates.push({ name: "target", values: plot.target, colour: colours.target, cap: highest ? highest * 1.6 : 0 });
  if (plot.other) rates.push({ name: "tcp", values: plot.other, colour: colours.other });
  if (plot.flows) plot.flows.forEach((f, i) => rates.push({ name: "flow " + (i + 1), values: f, colour: flowColours[i % flowColours.length] }));
  else rates.push({ name: "rate", values: plot.rate, colour: colours.rate });
  const panels = [
    ["kbit/s", 240, rates],
    ["queue ms", 130, [{ name: "queue", values: plot.queue, colour: colours.queue }]],
    ["loss %", 90, [{ name: "loss", values: plot.loss, colour: colours.loss }]],
  ].map(([unit, height, lines]) => {
    const canvas = document.createElement("canvas");
    canvas.style.height = height + "px";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", plot.title + ": " + unit + " over time");
    box.append(canvas);
    return { canvas, unit, lines };
  });
  const seconds = plot.rate.length * plot.step;
  const draw = (at) => {
    caption.textContent = plot.title + (at === undefined ? "" : ", at " + (at * plot.step).toFixed(1) + " s") + "   ";
    for (const p of panels) {
      panel(p.canvas, seconds, plot.step, p.unit, p.lines, at);
      for (const l of p.lines) {
        const b = document.createElement("b");
        b.style.color = l.colour;
        b.textContent = l.name + (at === undefined ? "" : " " + l.values[at]);
        caption.append(b);
      }
    }
  };
  for (const p of panels) {
    p.canvas.addEventListener("mousemove", (e) => {
      const t = ((e.offsetX - 58) / (p.canvas.clientWidth - 66)) * plot.rate.length;
      draw(Math.max(0, Math.min(plot.rate.length - 1, Math.round(t))));
    });
    p.canvas.addEventListener("mouseleave", () => draw());
  }
  window.addEventListener("resize", () => box.isConnected && draw());
  return { box, draw };
}

function toggle(row) {
  if (row.nextSibling && row.nextSibling.className === "plot") {
    row.nextSibling.remove();
    return;
  }
  const line = document.createElement("tr"), cell = document.createElement("td");
  line.className = "plot";
  cell.colSpan = row.cells.length;
  line.append(cell);
  row.after(line);
  const f = figure(plots[+row.dataset.plot]);
  cell.append(f.box);
  f.draw();
}

for (const row of document.querySelectorAll("tr[data-plot]")) {
  row.addEventListener("click", () => toggle(row));
  row.addEventListener("keydown", (e) => {
    if (e.key === "Enter" || e.key === " ") { e.preventDefault(); toggle(row); }
  });
}
// A link such as page.html#gprs opens that row.
const wanted = decodeURIComponent(location.hash.slice(1));
for (const row of document.querySelectorAll("tr[data-plot]")) if (row.cells[1].textContent === wanted) { toggle(row); row.scrollIntoView(); }
