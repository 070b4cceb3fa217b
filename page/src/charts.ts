// Charts by uPlot, which is loaded with the first one; each has its text beside it.
import type uPlot from "uplot";

import type { Coverage, WeekTrips } from "./api";
import { css } from "./dom";
import { date, number, share } from "./i18n";

const drawn = new WeakMap<HTMLElement, uPlot>();
const HEIGHT = 150;
const FEW_WEEKS = 2;

/** Trips by week as bars, with the mean as a line across. */
export async function drawBars(target: HTMLElement, series: WeekTrips[], mean: number | null, label: string): Promise<void> {
  const seconds = series.map(({ monday }) => Date.parse(monday) / 1000);
  const trips = series.map((week) => week.trips);
  await draw(target, [seconds, trips, series.map(() => mean)], label, (UPlot) => ({
    // Half a week on both sides, so that the outer bars are whole.
    scales: { x: { time: true, range: (_, from, to) => [from - 302_400 * FEW_WEEKS, to + 302_400 * FEW_WEEKS] }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.08)] } },
    axes: [axis({ values: (_, ticks) => ticks.map((tick) => date(new Date(tick * 1000).toISOString())), space: 90 }), axis({ size: 52, values: (_, ticks) => ticks.map(number) })],
    series: [
      {},
      { fill: css("--accent"), stroke: css("--accent"), width: 0, points: { show: false }, paths: UPlot.paths.bars!({ size: [0.7, 40] }) },
      { stroke: css("--dropoff"), width: 1.5, dash: [6, 4], points: { show: false } },
    ],
  }));
}

/** The share of trips that are served, by the number of shifts. */
export async function drawCoverage(target: HTMLElement, coverage: Coverage, label: string): Promise<void> {
  const shifts = coverage.points.map((point) => point.shifts);
  const served = coverage.points.map((point) => point.trips / Math.max(1, coverage.trips ?? 0));
  await draw(target, [shifts, served], label, () => ({
    scales: { x: { time: false }, y: { range: (_, __, most) => [0, Math.max(0.01, most * 1.08)] } },
    axes: [axis({ values: (_, ticks) => ticks.map(number), space: 60 }), axis({ size: 52, values: (_, ticks) => ticks.map(share) })],
    series: [{}, { stroke: css("--accent"), width: 2, points: { show: false } }],
  }));
}

type Options = Pick<uPlot.Options, "series" | "axes" | "scales">;

async function draw(target: HTMLElement, data: uPlot.AlignedData, label: string, options: (library: typeof uPlot) => Options): Promise<void> {
  const { default: UPlot } = await import("uplot");
  const known = drawn.get(target);
  target.setAttribute("role", "img");
  target.setAttribute("aria-label", label);
  if (known && known.root.isConnected && known.width === target.clientWidth) {
    known.setData(data);
    latest.set(target, () => draw(target, data, label, options));
    return;
  }
  known?.destroy();
  target.replaceChildren();
  const chart = new UPlot(
    { width: Math.max(200, target.clientWidth), height: HEIGHT, legend: { show: false }, cursor: { show: false }, ...options(UPlot) },
    data,
    target,
  );
  drawn.set(target, chart);
  latest.set(target, () => draw(target, data, label, options));
  watch(target);
}

/** Text instead of a chart. */
export function clearChart(target: HTMLElement, text: HTMLElement): void {
  latest.delete(target);
  target.removeAttribute("role");
  target.removeAttribute("aria-label");
  target.replaceChildren(text);
}

const latest = new WeakMap<HTMLElement, () => Promise<void>>();
const watched = new WeakSet<HTMLElement>();

/** Draws again in the colours of the other theme and in another width. */
function watch(target: HTMLElement): void {
  if (watched.has(target)) return;
  watched.add(target);
  const redraw = () => {
    const again = latest.get(target);
    if (!again) return;
    drawn.get(target)?.destroy();
    drawn.delete(target);
    void again();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("resize", redraw);
}

function axis(options: Partial<uPlot.Axis>): uPlot.Axis {
  const line = { stroke: css("--line"), width: 1 };
  return { stroke: css("--quiet"), font: "11px system-ui", grid: line, ticks: line, ...options };
}
