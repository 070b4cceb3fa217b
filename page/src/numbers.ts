// The numbers of the area: the weekly mean, its filters, the chart of weeks and the profile by day and hour.
import { address, ApiError, get, postWeekly, type Profile, type Region, type Weekly, type WeekTrips, type Zone } from "./api";
import { clearChart, drawBars } from "./charts";
import { byId, chase, debounce, fill, h, newest, save } from "./dom";
import { date, dayNames, longDayNames, number, t, ungrouped } from "./i18n";
import { areaParameters, clock, DAY_MINUTES, DIVISORS, isWholeDay, link, MATCHES, onChange, timeParameters, update, view, WEEKDAYS } from "./view";
import type { Word } from "./words_en";

/** Addresses may have 8 KiB in all. */
const MAX_ADDRESS = 6000;
const HEAT_STEPS = 0.92;

let weekly: Weekly | null = null;
const newestProfile = newest();
const refreshMean = chase(showMean);
const refreshProfile = debounce(250, () => void showProfile());

/** Counts again: the trips may have changed. */
export function refreshNumbers(): void {
  refreshMean();
  refreshProfile();
}

export function startNumbers(): void {
  buildFilters();
  onChange((changed) => {
    const counted = ["region", "area", "match", "weeks", "weekdays", "time", "from", "to"] as const;
    if (counted.some((key) => changed.has(key))) refreshNumbers();
    showFilters();
  });
  byId("copy-link").addEventListener("click", () => copy(location.origin + link()));
  byId("copy-curl").addEventListener("click", () => copy(`curl '${location.origin}${address("/trips/weekly", parameters())}'`));
  byId("save-csv").addEventListener("click", saveSeries);
  byId<HTMLInputElement>("show-weekly").addEventListener("change", (event) => {
    const { checked } = event.target as HTMLInputElement;
    byId("weekly-table").classList.toggle("unseen", !checked);
    // What scrolls can be reached by keyboard.
    byId("weekly-table").tabIndex = checked ? 0 : -1;
  });
  refreshNumbers();
}

/** Weeks to choose the first and the last that count from. */
export function setWeeks(weeks: WeekTrips[]): void {
  const options: [string, string][] = [["", t("any")], ...weeks.map(({ week }): [string, string] => [week, week])];
  fill(byId<HTMLSelectElement>("since"), options, view.from);
  fill(byId<HTMLSelectElement>("until"), options, view.to);
}

export function setZones(zones: Zone[]): void {
  const options = zones.map(({ properties: { name } }): [string, string] => [name, name]);
  fill(byId<HTMLSelectElement>("zone"), [["", t("no-zone")], ...options], null);
  byId("zone-label").hidden = zones.length === 0;
  showFilters();
}

/** All weeks of a region that have trips. */
export async function weeksOf(region: Region, signal: AbortSignal): Promise<WeekTrips[]> {
  const everywhere = "-180,-90,180,90";
  return (await get<Weekly>("/trips/weekly", { region: region.region, bbox: everywhere, match: "any" }, signal)).series;
}

function parameters(): Record<string, string | null> {
  return {
    region: view.region,
    ...areaParameters(view.area),
    match: view.match,
    weeks: view.weeks,
    ...timeParameters(),
    from: view.from,
    to: view.to,
  };
}

async function count(): Promise<Weekly | null> {
  if (view.region === null || view.area === null) return null;
  const given = parameters();
  if (view.area.kind === "polygon" && address("", given).length > MAX_ADDRESS) {
    const { polygon: _, ...others } = given;
    const filters = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== null));
    const geometry = { type: "Polygon", coordinates: [view.area.ring] };
    return postWeekly({ ...filters, geometry }, new AbortController().signal);
  }
  return get<Weekly>("/trips/weekly", given);
}

async function showMean(): Promise<void> {
  const output = byId("mean");
  const error = byId("mean-error");
  const slow = setTimeout(() => output.classList.add("old"), 300);
  try {
    const asked = JSON.stringify(parameters());
    const found = await count();
    // A newer question is asked next.
    if (found && asked !== JSON.stringify(parameters())) return;
    weekly = found;
    error.hidden = true;
    showWeekly();
    output.classList.remove("old");
  } catch (reason) {
    output.classList.add("old");
    error.textContent = t("stale", { reason: describe(reason) });
    error.hidden = false;
  } finally {
    clearTimeout(slow);
  }
}

/** The message of an error for people. */
export function describe(reason: unknown): string {
  return reason instanceof ApiError ? reason.message : t("offline");
}

function showWeekly(): void {
  const output = byId("mean");
  const mean = weekly?.mean ?? null;
  output.replaceChildren(...(mean === null ? ["–"] : grouped(ungrouped(mean))));
  output.dataset.value = mean === null ? "" : String(mean);
  byId("mean-details").textContent = weekly
    ? mean === null
      ? t("mean-no-trips")
      : t("mean-details", { total: weekly.total_trips, weeks: weekly.num_weeks })
    : t("mean-none");
  for (const id of ["copy-curl", "save-csv"]) byId<HTMLButtonElement>(id).disabled = weekly === null;
  const series = weekly?.series ?? [];
  const chart = byId("chart");
  if (series.length === 0) {
    clearChart(chart, h("p", { class: "quiet" }, t(weekly ? "mean-no-trips" : "weekly-none")));
    byId("weekly-table").replaceChildren();
    return;
  }
  const trips = series.map((week) => week.trips);
  const label = t("weekly-chart", { weeks: series.length, least: Math.min(...trips), most: Math.max(...trips) });
  void drawBars(chart, series, mean, label);
  byId("weekly-table").replaceChildren(
    h(
      "table",
      {},
      h("caption", {}, t("weekly")),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("week")), h("th", { scope: "col", class: "amount" }, t("trips")))),
      h(
        "tbody",
        {},
        ...series.map(({ week, monday, trips: count }) =>
          h("tr", {}, h("th", { scope: "row" }, `${week} (${date(monday)})`), h("td", { class: "amount" }, number(count))),
        ),
      ),
    ),
  );
}

/** Digits in groups of three, set apart by style only: the text stays one number. */
function grouped(text: string): (string | Node)[] {
  const [, digits = "", rest = ""] = /^(\d+)(.*)$/.exec(text) ?? [];
  const first = digits.length % 3 || 3;
  const groups = [digits.slice(0, first), ...(digits.slice(first).match(/\d{3}/g) ?? [])];
  return [...groups.map((group, place) => (place ? h("b", {}, group) : group)), rest];
}

async function showProfile(): Promise<void> {
  const target = byId("profile");
  if (view.region === null || view.area === null) {
    target.replaceChildren(h("p", { class: "quiet" }, t("mean-none")));
    return;
  }
  const { weeks: _, ...given } = parameters();
  try {
    const found = await newestProfile((signal) => get<Profile>("/trips/profile", given, signal));
    if (found) target.replaceChildren(heat(found.total_trips));
  } catch (reason) {
    target.replaceChildren(h("p", { class: "error" }, t("error", { message: describe(reason) })));
  }
}

function heat(trips: number[][]): HTMLTableElement {
  const most = Math.max(1, ...trips.flat());
  const hours = Array.from({ length: 24 }, (_, hour) => hour);
  return h(
    "table",
    {},
    h("caption", {}, t("profile-caption")),
    h(
      "thead",
      {},
      h("tr", {}, h("td"), ...hours.map((hour) => h("th", { scope: "col" }, h("span", { class: "unseen" }, clock(60 * hour)), hour % 3 ? null : String(hour)))),
    ),
    h(
      "tbody",
      {},
      ...trips.map((row, day) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, dayNames[day] ?? ""),
          ...row.map((count, hour) => {
            const cell = h("td", { title: `${longDayNames[day]} ${clock(60 * hour)}: ${number(count)}` }, h("span", { class: "unseen" }, number(count)));
            cell.style.backgroundColor = `rgb(var(--heat) / ${0.04 + HEAT_STEPS * Math.sqrt(count / most)})`;
            return cell;
          }),
        ),
      ),
    ),
  );
}

function buildFilters(): void {
  byId("match").append(
    ...MATCHES.map((match) =>
      h("label", {}, h("input", { type: "radio", name: "match", value: match, onchange: () => update({ match }) }), h("span", {}, t(`match-${match}` as Word))),
    ),
  );
  byId("weekdays").append(
    ...WEEKDAYS.map((day, place) =>
      h("label", {}, h("input", { type: "checkbox", value: day, "aria-label": longDayNames[place] ?? day, onchange: readDays }), h("span", {}, dayNames[place] ?? day)),
    ),
  );
  fill(byId<HTMLSelectElement>("divisor"), DIVISORS.map((each) => [each, t(`divisor-${each}` as Word)]), view.weeks);
  for (const id of ["time-from", "time-until"]) byId(id).addEventListener("input", readTimes);
  on("divisor", (value) => update({ weeks: DIVISORS.find((known) => known === value) ?? "active" }));
  on("since", (value) => update({ from: value || null }));
  on("until", (value) => update({ to: value || null }));
  on("zone", (value) => update({ area: value ? { kind: "zone", name: value } : null }));
  showFilters();
}

function on(id: string, change: (value: string) => void): void {
  byId(id).addEventListener("change", (event) => change((event.target as HTMLSelectElement).value));
}

function readDays(): void {
  const boxes = [...byId("weekdays").querySelectorAll("input")];
  const chosen = boxes.filter(({ checked }) => checked).map(({ value }) => value);
  // No day at all is every day: nobody wants to count nothing.
  update({ weekdays: chosen.length ? chosen : [...WEEKDAYS] });
  showFilters();
}

function readTimes(): void {
  const [from, until] = ["time-from", "time-until"].map((id) => Number(byId<HTMLInputElement>(id).value));
  const start = Math.min(from!, DAY_MINUTES - 15);
  // Equal handles would hold no trip.
  const end = until === start ? start + 15 : Math.max(until!, 15);
  update({ time: [start, end] });
}

function showFilters(): void {
  for (const input of byId("match").querySelectorAll("input")) input.checked = input.value === view.match;
  for (const input of byId("weekdays").querySelectorAll("input")) input.checked = view.weekdays.includes(input.value);
  const [from, until] = view.time;
  for (const [id, minutes] of [["time-from", from], ["time-until", until]] as const) {
    const input = byId<HTMLInputElement>(id);
    input.value = String(minutes);
    input.setAttribute("aria-valuetext", clock(minutes));
  }
  byId("window").textContent = isWholeDay() ? t("whole-day") : `${clock(from)}–${clock(until)}`;
  byId<HTMLSelectElement>("divisor").value = view.weeks;
  byId<HTMLSelectElement>("zone").value = view.area?.kind === "zone" ? view.area.name : "";
}

function saveSeries(): void {
  if (!weekly) return;
  const rows = weekly.series.map(({ week, monday, trips }) => `${week},${monday},${trips}`);
  save("weekly-trips.csv", ["week,monday,trips", ...rows, ""].join("\r\n"), "text/csv");
}

function copy(text: string): void {
  const done = byId("copied");
  void navigator.clipboard.writeText(text).then(
    () => {
      done.textContent = t("copied");
      setTimeout(() => (done.textContent = ""), 3000);
    },
    // Without a secure context there is no clipboard.
    () => (done.textContent = text),
  );
}
