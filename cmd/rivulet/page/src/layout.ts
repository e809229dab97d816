/**
 * Where the tiles go. Pure geometry: sizes in, rectangles out.
 */

export interface Rect {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Shape {
  /** The tile to enlarge, or -1. */
  large: number;
  /** The tile to float over the others, or -1. */
  floating: number;
}

const GAP = 10; // pixels between tiles
const WIDEST = 16 / 9;
/** Upright phones get upright tiles. */
const NARROWEST = 3 / 4;
/** Narrower tiles are of no use; the stage scrolls instead. */
const LEAST = 140; // pixels

/** Answers a rectangle for each of the tiles, in a stage of a size in pixels. */
export function arrange(count: number, width: number, height: number, shape: Shape): Rect[] {
  const rects: Rect[] = new Array<Rect>(count);
  const rest = [...Array(count).keys()].filter((i) => i !== shape.floating && i !== shape.large);
  if (shape.large >= 0 && shape.large < count) stage(rects, rest, shape.large, width, height);
  else grid(rects, rest, { left: 0, top: 0, width, height });
  if (shape.floating >= 0 && shape.floating < count) {
    rects[shape.floating] = float(rects[rest[0] ?? shape.large] ?? { left: 0, top: 0, width, height });
  }
  return rects;
}

/** All tiles of one size, as large as they can be; too many of them scroll. */
function grid(rects: Rect[], tiles: number[], area: Rect): void {
  const n = tiles.length;
  if (n === 0) return;
  const { columns, width, height } = fitting(n, area) ?? scrolling(area);
  const rows = Math.ceil(n / columns);
  const top = area.top + Math.max(0, (area.height - rows * height - GAP * (rows - 1)) / 2);
  tiles.forEach((tile, index) => {
    const row = Math.floor(index / columns);
    const inRow = row === rows - 1 ? n - row * columns : columns;
    const left = area.left + (area.width - inRow * width - GAP * (inRow - 1)) / 2;
    rects[tile] = {
      left: left + (index - row * columns) * (width + GAP),
      top: top + row * (height + GAP),
      width,
      height,
    };
  });
}

interface Cells {
  columns: number;
  width: number;
  height: number;
}

/** The number of columns with the largest tiles that all fit, if they are large enough. */
function fitting(n: number, area: Rect): Cells | undefined {
  let best: Cells | undefined;
  for (let columns = 1; columns <= n; columns++) {
    const rows = Math.ceil(n / columns);
    let width = (area.width - GAP * (columns - 1)) / columns;
    let height = (area.height - GAP * (rows - 1)) / rows;
    if (width / height > WIDEST) width = height * WIDEST;
    if (width / height < NARROWEST) height = width / NARROWEST;
    if (n > 1 && (width < LEAST || height < LEAST / WIDEST)) continue;
    if (width > 0 && height > 0 && (!best || width * height > best.width * best.height)) best = { columns, width, height };
  }
  return best;
}

/** As many columns as the width has room for, whatever the height. */
function scrolling(area: Rect): Cells {
  const columns = Math.max(1, Math.floor((area.width + GAP) / (LEAST + GAP)));
  const width = Math.max(60, (area.width - GAP * (columns - 1)) / columns);
  return { columns, width, height: (width * 3) / 4 };
}

/** One large tile and a strip of the others: beside it, or below on upright screens. */
function stage(rects: Rect[], rest: number[], large: number, width: number, height: number): void {
  if (rest.length === 0) {
    rects[large] = { left: 0, top: 0, width, height };
    return;
  }
  if (width >= height) {
    const strip = Math.min(260, Math.max(LEAST, width * 0.2));
    rects[large] = { left: 0, top: 0, width: width - strip - GAP, height };
    column(rects, rest, { left: width - strip, top: 0, width: strip, height });
  } else {
    const strip = Math.min(170, height * 0.28);
    rects[large] = { left: 0, top: 0, width, height: height - strip - GAP };
    row(rects, rest, { left: 0, top: height - strip, width, height: strip });
  }
}

function column(rects: Rect[], tiles: number[], area: Rect): void {
  const each = Math.min(area.width / WIDEST, (area.height - GAP * (tiles.length - 1)) / tiles.length);
  const tile = Math.max(each, 84);
  const used = tile * tiles.length + GAP * (tiles.length - 1);
  const top = area.top + Math.max(0, (area.height - used) / 2);
  tiles.forEach((index, i) => {
    rects[index] = { left: area.left, top: top + i * (tile + GAP), width: area.width, height: tile };
  });
}

function row(rects: Rect[], tiles: number[], area: Rect): void {
  const each = Math.min(area.height * WIDEST, (area.width - GAP * (tiles.length - 1)) / tiles.length);
  const tile = Math.max(each, 110);
  const used = tile * tiles.length + GAP * (tiles.length - 1);
  const left = area.left + Math.max(0, (area.width - used) / 2);
  tiles.forEach((index, i) => {
    rects[index] = { left: left + i * (tile + GAP), top: area.top, width: tile, height: area.height };
  });
}

/** One's own picture in a call of two: small, in the lower right corner of the other's. */
function float(other: Rect): Rect {
  const upright = other.height > other.width;
  const width = upright ? Math.min(120, other.width * 0.32) : Math.min(240, other.width * 0.22);
  const height = upright ? width / NARROWEST : width / WIDEST;
  return {
    left: other.left + other.width - width - GAP,
    top: other.top + other.height - height - GAP,
    width,
    height,
  };
}
