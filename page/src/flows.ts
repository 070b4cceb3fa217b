// Shifts and clusters of the chosen week: on the map, as a list, and the particulars of one shift.
import {
  address,
  get,
  type Cluster,
  type Coverage,
  type Fleet,
  type Shift,
  type ShiftProperties,
  type ShiftWithHistory,
  type Trip,
} from "./api";
import { clearChart, drawCoverage } from "./charts";
import { byId, debounce, fill, h, newest } from "./dom";
import { date, dayNames, longDayNames, number, share, t, type Word } from "./i18n";
import type { Flow, TripMap } from "./map";
import { describe } from "./numbers";
import { maySeeTrips } from "./rights";
import { areaParameters, onChange, timeParameters, update, view, WEEKDAYS, type Position } from "./view";

const PAGE = 1000;
/** So many at most are sent to a browser: the map stays as quick with a hundred million trips as with one. */
const MAX_FLOWS = 3000;
const ROWS = 50;

type Column = "rank" | "days" | "departs" | "riders" | "regularity" | "status";
const ORDER: Record<Column, (shift: ShiftProperties) => number | string> = {
  rank: (shift) => shift.rank,
  days: (shift) => shift.weekdays.map((day) => WEEKDAYS.indexOf(day as (typeof WEEKDAYS)[number])).join(""),
  departs: (shift) => shift.departs,
  riders: (shift) => -shift.riders,
  regularity: (shift) => -shift.regularity,
  status: (shift) => shift.status,
};

export class FlowPanel {
  private shifts: Shift[] = [];
  private clusters: Cluster[] = [];
  private coverage: Coverage | null = null;
  private column: Column = "rank";
  private ascending = true;
  private rows = ROWS;
  /** The shift whose particulars are shown. */
  private opened: number | null = null;
  private readonly loading = newest();
  private readonly counting = newest();
  private readonly opening = newest();
  private readonly reload = debounce(120, () => void this.load());
  private readonly planFleet = debounce(250, () => void this.showFleet());

  constructor(private readonly map: TripMap | null) {
    fill(byId<HTMLSelectElement>("fleet-day"), WEEKDAYS.map((day, place) => [day, longDayNames[place] ?? day]), "tue");
    byId("fleet-day").addEventListener("change", () => void this.showFleet());
    byId("only-area").addEventListener("change", () => this.reload());
    byId("shown").addEventListener("input", (event) => update({ shown: Number((event.target as HTMLInputElement).value) }));
    onChange((changed) => {
      // A new region is shown by `refresh`, when its weeks are known.
      if ((["week", "layer", "weekdays", "time"] as const).some((key) => changed.has(key))) this.reload();
      else if (changed.has("area") && byId<HTMLInputElement>("only-area").checked) this.reload();
      else if (changed.has("shown")) this.draw();
      if (changed.has("week")) void this.showCoverage();
      if (changed.has("shift")) void this.open();
    });
  }

  /** Reads everything again: the week was made anew. */
  refresh(): void {
    this.reload();
    void this.showCoverage();
    void this.open();
  }

  /** A flow of the map was clicked. */
  chooseOnMap(flow: Flow | null): void {
    if (view.layer !== "shifts") return this.map?.choose(flow?.rank ?? null);
    const shift = flow && this.shifts.find(({ properties }) => properties.rank === flow.rank);
    update({ shift: shift?.properties.shift_id ?? null });
  }

  /** Without WebGL there is no map, and the lists stay. */
  private onMap(draw: (map: TripMap) => void): void {
    void this.map?.ready.then(() => this.map && draw(this.map));
  }

  private async load(): Promise<void> {
    const { region, layer } = view;
    if (region === null) return;
    try {
      const found = await this.loading((signal) => (layer === "shifts" ? this.readShifts(signal) : this.readClusters(signal)));
      if (found === null) return;
    } catch (reason) {
      byId("list").replaceChildren(h("p", { class: "error" }, t("error", { message: describe(reason) })));
      return;
    }
    this.rows = ROWS;
    this.draw();
  }

  private filters(): Record<string, string | number | null> {
    const area = byId<HTMLInputElement>("only-area").checked ? areaParameters(view.area) : {};
    return { region: view.region, week: view.week, ...area, ...timeParameters() };
  }

  private async readShifts(signal: AbortSignal): Promise<true> {
    this.shifts = await pages<Shift>("/shifts", this.filters(), Math.max(PAGE, view.shown), signal);
    return true;
  }

  private async readClusters(signal: AbortSignal): Promise<true> {
    const { weekdays: _, ...filters } = this.filters();
    // Clusters are of a week; the newest is that of the newest shifts.
    const week = filters.week ?? byId<HTMLSelectElement>("week").dataset.newest ?? null;
    this.clusters = week === null ? [] : await pages<Cluster>("/clusters", { ...filters, week }, PAGE, signal);
    return true;
  }

  private draw(): void {
    const isShifts = view.layer === "shifts";
    const total = isShifts ? this.shifts.length : this.clusters.length;
    if (isShifts && view.shown > total && total >= PAGE && total < MAX_FLOWS && total % PAGE === 0) this.reload();
    const flows = isShifts ? this.shifts.slice(0, view.shown).map(flowOfShift) : this.clusters.slice(0, view.shown).map(flowOfCluster);
    byId("legend-width").textContent = t(isShifts ? "legend-width" : "legend-width-clusters");
    this.onMap((map) => {
      map.setFlows(flows);
      this.emphasise();
    });
    const slider = byId<HTMLInputElement>("shown");
    const most = this.coverage?.points.at(-1)?.shifts ?? total;
    slider.max = String(Math.max(1, Math.min(MAX_FLOWS, isShifts ? most : total)));
    slider.value = String(view.shown);
    this.showList();
    this.showServed();
    this.showDownloads();
    this.planFleet();
  }

  private emphasise(): void {
    const chosen = this.shifts.find(({ properties }) => properties.shift_id === view.shift);
    this.map?.choose(view.layer === "shifts" ? (chosen?.properties.rank ?? null) : null);
  }

  private showList(): void {
    const shown = this.shifts.slice(0, view.shown);
    byId("list-count").textContent = this.shifts.length ? t("list-count", { shown: shown.length, total: this.shifts.length }) : "";
    if (shown.length === 0) {
      byId("list").replaceChildren(h("p", { class: "quiet" }, t("list-none")));
      return;
    }
    const order = ORDER[this.column];
    const sorted = [...shown].sort((a, b) => {
      const [x, y] = [order(a.properties), order(b.properties)];
      return (x < y ? -1 : x > y ? 1 : a.properties.rank - b.properties.rank) * (this.ascending ? 1 : -1);
    });
    const head = (Object.keys(ORDER) as Column[]).map((column) =>
      h(
        "th",
        { scope: "col", "aria-sort": column === this.column ? (this.ascending ? "ascending" : "descending") : null },
        h("button", { type: "button", onclick: () => this.sort(column) }, t(column as Word)),
      ),
    );
    const table = h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...sorted.slice(0, this.rows).map((shift) => this.row(shift))));
    const more = h("button", { type: "button", onclick: () => this.showMore() }, t("list-more"));
    byId("list").replaceChildren(table, ...(sorted.length > this.rows ? [more] : []));
  }

  private row({ properties: shift }: Shift): HTMLTableRowElement {
    const words = { rank: shift.rank, days: daysOf(shift), departs: shift.departs, riders: number(round(shift.riders)) };
    const filled = h("i");
    filled.style.width = `${100 * shift.regularity}%`;
    const point = () => this.map?.point(shift.rank);
    const leave = () => this.map?.point(null);
    return h(
      "tr",
      { class: shift.shift_id === view.shift ? "chosen" : null, onmouseenter: point, onmouseleave: leave, onfocusin: point, onfocusout: leave },
      h("td", {}, h("button", { type: "button", "aria-label": t("open-shift", words), onclick: () => update({ shift: shift.shift_id }) }, String(shift.rank))),
      h("td", {}, daysOf(shift)),
      h("td", {}, shift.departs),
      h("td", {}, `${number(round(shift.riders))} (${shift.riders_low}–${shift.riders_high})`),
      h("td", {}, h("span", { class: "bar" }, filled), share(shift.regularity)),
      h("td", {}, t(`status-${shift.status}`)),
    );
  }

  private sort(column: Column): void {
    this.ascending = column === this.column ? !this.ascending : true;
    this.column = column;
    this.showList();
    byId("list").querySelector<HTMLElement>("th[aria-sort] button")?.focus();
  }

  private showMore(): void {
    this.rows += 4 * ROWS;
    this.showList();
  }

  private async showCoverage(): Promise<void> {
    if (view.region === null) return;
    try {
      const found = await this.counting((signal) => get<Coverage>("/shifts/coverage", { region: view.region, week: view.week }, signal));
      if (found === null) return;
      this.coverage = found;
    } catch {
      // The list shows the error.
      this.coverage = null;
    }
    const chart = byId("coverage-chart");
    if (this.coverage && this.coverage.points.length > 1) void drawCoverage(chart, this.coverage, t("coverage-chart"));
    else clearChart(chart, h("span"));
    this.draw();
  }

  private showServed(): void {
    const points = this.coverage?.points ?? [];
    const point = points.findLast(({ shifts }) => shifts <= view.shown) ?? points[0];
    byId("coverage").textContent =
      point && this.coverage
        ? t("coverage", { shifts: point.shifts, departures: point.departures, share: share(point.trips / Math.max(1, this.coverage.trips ?? 0)) })
        : "";
  }

  private async showFleet(): Promise<void> {
    const output = byId("fleet");
    if (this.shifts.length === 0) {
      output.textContent = "";
      return;
    }
    const weekday = byId<HTMLSelectElement>("fleet-day").value;
    const limit = Math.min(view.shown, MAX_FLOWS);
    try {
      const found = await get<Fleet>("/fleet", { region: view.region, week: view.week, weekday, limit });
      output.textContent = found.departures ? t("fleet", { vehicles: found.vehicles, departures: found.departures }) : t("fleet-none");
    } catch (reason) {
      output.textContent = t("error", { message: describe(reason) });
    }
  }

  private showDownloads(): void {
    const filters = { ...this.filters(), limit: PAGE };
    byId<HTMLAnchorElement>("csv").href = address("/shifts", { ...filters, format: "csv" });
    byId<HTMLAnchorElement>("geojson").href = address("/shifts", { ...filters, format: "geojson" });
    byId<HTMLAnchorElement>("gtfs").href = address("/gtfs", {
      region: view.region,
      week: view.week,
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    });
  }

  /** The chosen shift: its history, its trips by day, and its places on the map. */
  private async open(): Promise<void> {
    const target = byId("detail");
    const id = view.shift;
    this.emphasise();
    this.showList();
    if (id === null || view.region === null) {
      this.opened = null;
      target.replaceChildren();
      this.onMap((map) => map.setTrips([]));
      return;
    }
    try {
      const region = view.region;
      const found = await this.opening(async (signal) => {
        const shift = await get<ShiftWithHistory>(`/shifts/${id}`, { region }, signal);
        if (!maySeeTrips()) return { shift, trips: null };
        const { trips } = await get<{ trips: Trip[] }>(`/shifts/${id}/trips`, { region, limit: PAGE }, signal);
        return { shift, trips };
      });
      if (found === null) return;
      target.replaceChildren(this.detail(found.shift, found.trips));
      this.onMap((map) => map.setTrips(found.trips ?? []));
      // Made anew, it changes where it is.
      if (this.opened === id) return;
      this.opened = id;
      this.onMap((map) => map.reveal(flowOfShift(found.shift)));
      target.scrollIntoView({ block: "nearest" });
      // Whoever chose it in the list reads on here.
      if (byId("list").contains(document.activeElement) || document.activeElement === document.body) {
        target.querySelector("h3")?.focus({ preventScroll: true });
      }
    } catch (reason) {
      target.replaceChildren(h("p", { class: "error" }, t("error", { message: describe(reason) })));
    }
  }

  private detail(shift: ShiftWithHistory, trips: Trip[] | null): HTMLElement {
    const { properties: now } = shift;
    const dayOf = (trip: Trip) => (new Date(`${trip.started_at}Z`).getUTCDay() + 6) % 7;
    const byDay = WEEKDAYS.map((_, day) => (trips ?? []).filter((trip) => dayOf(trip) === day).length);
    const title = h("h3", { tabindex: -1 }, t("open-shift", { rank: now.rank, days: daysOf(now), departs: now.departs, riders: number(round(now.riders)) }));
    return h(
      "div",
      { class: "detail" },
      h("header", {}, title, h("button", { type: "button", onclick: () => update({ shift: null }) }, t("close"))),
      h("p", {}, t("from-to", { from: now.pickup_stop ?? t("a-point"), to: now.dropoff_stop ?? t("a-point") })),
      h("p", {}, t("riders-expected", { riders: number(round(now.riders)), low: now.riders_low, high: now.riders_high })),
      h("p", { class: "quiet" }, t("walk", { pickup: Math.round(now.pickup_walk_m), dropoff: Math.round(now.dropoff_walk_m) })),
      trips !== null && h(
        "table",
        {},
        h("caption", {}, t("trips-by-day")),
        h("thead", {}, h("tr", {}, ...dayNames.map((day) => h("th", { scope: "col" }, day)))),
        h("tbody", {}, h("tr", {}, ...byDay.map((count) => h("td", {}, number(count))))),
      ),
      sparkline(shift.history),
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "group", "aria-label": t("history") },
        h(
          "table",
          {},
          h("caption", {}, t("history")),
          h("thead", {}, h("tr", {}, ...(["week", "riders", "regularity", "rank", "status"] as const).map((word) => h("th", { scope: "col" }, t(word))))),
          h(
            "tbody",
            {},
            ...shift.history.map((week) =>
              h(
                "tr",
                {},
                h("th", { scope: "row" }, `${week.week} (${date(week.monday)})`),
                h("td", {}, number(round(week.riders))),
                h("td", {}, share(week.regularity)),
                h("td", {}, String(week.rank)),
                h("td", {}, t(`status-${week.status}`)),
              ),
            ),
          ),
        ),
      ),
    );
  }
}

/** Riders by week; the table below has the numbers. */
function sparkline(history: ShiftProperties[]): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const most = Math.max(1, ...history.map(({ riders }) => riders));
  svg.setAttribute("viewBox", `0 0 ${Math.max(8, history.length) * 10} 40`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  history.forEach(({ riders }, place) => {
    const bar = document.createElementNS(space, "rect");
    const height = (38 * riders) / most;
    for (const [name, value] of Object.entries({ x: place * 10 + 1, y: 40 - height, width: 8, height })) bar.setAttribute(name, String(value));
    svg.append(bar);
  });
  return svg;
}

/** The first entries of a list, from as many pages as that takes. */
async function pages<T>(path: string, filters: Record<string, string | number | null>, wanted: number, signal: AbortSignal): Promise<T[]> {
  const found: T[] = [];
  let cursor: string | null = null;
  do {
    const page: { features: T[]; next_cursor: string | null } = await get(path, { ...filters, limit: PAGE, cursor }, signal);
    found.push(...page.features);
    cursor = page.next_cursor;
  } while (cursor !== null && found.length < Math.min(wanted, MAX_FLOWS));
  return found;
}

function flowOfShift({ geometry, properties: shift }: Shift): Flow {
  const [from, to] = geometry.coordinates as [Position, Position];
  const riders = t("riders-expected", { riders: number(round(shift.riders)), low: shift.riders_low, high: shift.riders_high });
  return { rank: shift.rank, from, to, weight: shift.riders, lines: [`${daysOf(shift)} ${shift.departs}`, riders, `${t("regularity")} ${share(shift.regularity)}`] };
}

function flowOfCluster({ geometry, properties: cluster }: Cluster, place: number): Flow {
  const [from, to] = geometry.coordinates as [Position, Position];
  const lines = [`${cluster.earliest.slice(0, 5)}–${cluster.latest.slice(0, 5)}`, `${t("trips")}: ${number(cluster.trips)}`, t("radius", { metres: Math.round(cluster.radius_m) })];
  return { rank: place + 1, from, to, weight: cluster.trips, lines };
}

function daysOf(shift: ShiftProperties): string {
  const places = shift.weekdays.map((day) => WEEKDAYS.indexOf(day as (typeof WEEKDAYS)[number]));
  const [first = 0, last = 0] = [places[0], places.at(-1)];
  if (places.length > 2 && last - first === places.length - 1) return `${dayNames[first]}–${dayNames[last]}`;
  return places.map((place) => dayNames[place]).join(", ");
}

function round(riders: number): number {
  return Math.round(riders * 10) / 10;
}
