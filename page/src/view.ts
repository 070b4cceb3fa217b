// What the page shows, kept in the query of its address under the names that the API has for it.

export type Position = [number, number];
export type Area =
  | { kind: "bbox"; bbox: [number, number, number, number] }
  | { kind: "polygon"; ring: Position[] }
  | { kind: "zone"; name: string };
export const MATCHES = ["both", "origin", "destination", "any"] as const;
export const DIVISORS = ["active", "span", "full"] as const;
export const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export const DAY_MINUTES = 24 * 60;
export const DEFAULT_SHOWN = 300;

export interface View {
  region: string | null;
  /** null for the newest. */
  week: string | null;
  layer: "shifts" | "clusters";
  /** Longitude, latitude and zoom of the map; null to show the region. */
  at: [number, number, number] | null;
  area: Area | null;
  match: (typeof MATCHES)[number];
  weeks: (typeof DIVISORS)[number];
  weekdays: string[];
  /** First and last minute of the day; they cross midnight if the first is later. */
  time: [number, number];
  from: string | null;
  to: string | null;
  shown: number;
  shift: number | null;
}
type Key = keyof View;
type Listener = (changed: Set<Key>) => void;

const WHOLE_DAY: [number, number] = [0, DAY_MINUTES];
const listeners: Listener[] = [];
export const view: View = read(new URLSearchParams(location.search));
let writing = 0;

export function onChange(listener: Listener): void {
  listeners.push(listener);
}

/** Changes the view, then the address, and tells everyone. */
export function update(changes: Partial<View>): void {
  const changed = new Set<Key>();
  for (const key of Object.keys(changes) as Key[]) {
    if (JSON.stringify(view[key]) !== JSON.stringify(changes[key])) changed.add(key);
  }
  if (changed.size === 0) return;
  Object.assign(view, changes);
  // Browsers allow only so many changes of the address in a while.
  writing ||= window.setTimeout(() => {
    writing = 0;
    history.replaceState(null, "", link());
  }, 250);
  for (const listener of listeners) listener(changed);
}

/** The address of this view. */
export function link(): string {
  const query = write();
  return `${location.pathname}${query ? `?${query}` : ""}`;
}

export function isWholeDay(): boolean {
  return view.time[0] === 0 && view.time[1] === DAY_MINUTES;
}

export function clock(minutes: number): string {
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}

/** The area as parameters of the API. */
export function areaParameters(area: Area | null): Record<string, string> {
  if (area === null) return {};
  if (area.kind === "bbox") return { bbox: area.bbox.join(",") };
  if (area.kind === "zone") return { zone: area.name };
  return { polygon: `POLYGON((${area.ring.map(([lon, lat]) => `${lon} ${lat}`).join(", ")}))` };
}

/** Weekdays and time window as parameters of the API. */
export function timeParameters(): Record<string, string | null> {
  return {
    weekdays: view.weekdays.length === WEEKDAYS.length ? null : view.weekdays.join(","),
    time: isWholeDay() ? null : view.time.map(clock).join("-"),
  };
}

function write(): string {
  const query = new URLSearchParams();
  const set = (name: string, value: string | null, unless: string | null = null) => {
    if (value !== null && value !== unless) query.set(name, value);
  };
  set("region", view.region);
  set("week", view.week);
  set("layer", view.layer, "shifts");
  for (const [name, value] of Object.entries(areaParameters(view.area))) set(name, value);
  set("match", view.match, "both");
  set("weeks", view.weeks, "active");
  for (const [name, value] of Object.entries(timeParameters())) set(name, value);
  set("from", view.from);
  set("to", view.to);
  set("shown", String(view.shown), String(DEFAULT_SHOWN));
  set("shift", view.shift === null ? null : String(view.shift));
  set("at", view.at?.join(",") ?? null);
  // As people would write it.
  return query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%28", "(").replaceAll("%29", ")");
}

function read(query: URLSearchParams): View {
  const weekdays = query.get("weekdays")?.split(",").filter((day) => WEEKDAYS.some((known) => known === day)) ?? [];
  return {
    region: query.get("region"),
    week: query.get("week"),
    layer: query.get("layer") === "clusters" ? "clusters" : "shifts",
    at: numbers<[number, number, number]>(query.get("at"), 3),
    area: readArea(query),
    match: MATCHES.find((known) => known === query.get("match")) ?? "both",
    weeks: DIVISORS.find((known) => known === query.get("weeks")) ?? "active",
    weekdays: weekdays.length ? weekdays : [...WEEKDAYS],
    time: readTime(query.get("time")),
    from: query.get("from"),
    to: query.get("to"),
    shown: Math.max(1, Number(query.get("shown")) || DEFAULT_SHOWN),
    shift: Number(query.get("shift")) || null,
  };
}

function readArea(query: URLSearchParams): Area | null {
  const bbox = numbers<[number, number, number, number]>(query.get("bbox"), 4);
  if (bbox) return { kind: "bbox", bbox };
  const zone = query.get("zone");
  if (zone) return { kind: "zone", name: zone };
  const ring = /^POLYGON\s*\(\(([^()]+)\)\)$/i.exec(query.get("polygon") ?? "")?.[1]?.split(",").map((point) => point.trim().split(/\s+/).map(Number));
  return ring && ring.length > 3 && ring.every((point) => point.length === 2 && point.every(Number.isFinite))
    ? { kind: "polygon", ring: ring as Position[] }
    : null;
}

function readTime(text: string | null): [number, number] {
  const found = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$/.exec(text ?? "");
  if (!found) return WHOLE_DAY;
  const [, h1, m1, h2, m2] = found.map(Number) as [number, number, number, number, number];
  return [60 * h1 + m1, Math.min(60 * h2 + m2, DAY_MINUTES)];
}

function numbers<T extends number[]>(text: string | null, count: number): T | null {
  const found = text?.split(",").map(Number) ?? [];
  return found.length === count && found.every(Number.isFinite) && text !== "" ? (found as T) : null;
}
