// Shifts and clusters of the chosen week: on the map, as a list, and the particulars of one shift.
import { address, get, type Cluster, type Coverage, type Fleet, type Shift, type ShiftWithHistory, type Trip } from "./api";
import { clearChart, drawCoverage } from "./charts";
import { byId, debounce, fill, h, newest } from "./dom";
import { flowOfCluster, flowOfShift } from "./flow_words";
import { longDayNames, share, t } from "./i18n";
import type { Flow, TripMap } from "./map";
import { describe } from "./numbers";
import { maySeeTrips } from "./rights";
import { shiftDetail } from "./shift_detail";
import { ShiftList } from "./shift_list";
import { areaParameters, onChange, timeParameters, update, view, WEEKDAYS } from "./view";

const PAGE = 1000;
/** So many at most are sent to a browser: the map stays as quick with a hundred million trips as with one. */
const MAX_FLOWS = 3000;

export class FlowPanel {
  private map: TripMap | null = null;
  private shifts: Shift[] = [];
  private clusters: Cluster[] = [];
  private coverage: Coverage | null = null;
  private readonly list: ShiftList;
  /** The shift whose particulars are shown. */
  private opened: number | null = null;
  private readonly loading = newest();
  private readonly counting = newest();
  private readonly opening = newest();
  private readonly reload = debounce(120, () => void this.load());
  private readonly planFleet = debounce(250, () => void this.showFleet());

  /** Without WebGL there is no map, and the lists stay. */
  constructor(private readonly made: Promise<TripMap | null>) {
    void made.then((map) => (this.map = map));
    this.list = new ShiftList((rank) => this.map?.point(rank));
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
    void this.load();
    void this.showCoverage();
    void this.open();
  }

  /** A flow of the map was clicked. */
  chooseOnMap(flow: Flow | null): void {
    if (view.layer !== "shifts") return this.map?.choose(flow?.rank ?? null);
    const shift = flow && this.shifts.find(({ properties }) => properties.rank === flow.rank);
    update({ shift: shift?.properties.shift_id ?? null });
  }

  private onMap(draw: (map: TripMap) => void): void {
    void this.made.then((map) => map?.ready.then(() => draw(map)));
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
    this.list.shorten();
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
    this.list.show(this.shifts.slice(0, view.shown), this.shifts.length);
    this.showServed();
    this.showDownloads();
    this.planFleet();
  }

  private emphasise(): void {
    const chosen = this.shifts.find(({ properties }) => properties.shift_id === view.shift);
    this.map?.choose(view.layer === "shifts" ? (chosen?.properties.rank ?? null) : null);
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
    this.list.show(this.shifts.slice(0, view.shown), this.shifts.length);
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
      target.replaceChildren(shiftDetail(found.shift, found.trips));
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
