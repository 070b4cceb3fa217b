// Shifts and clusters as flows of the map, and in words.
import type { Cluster, Shift, ShiftProperties } from "./api";
import { dayNames, number, share, t } from "./i18n";
import type { Flow } from "./map";
import { WEEKDAYS, type Position } from "./view";

export function flowOfShift({ geometry, properties: shift }: Shift): Flow {
  const [from, to] = geometry.coordinates as [Position, Position];
  const riders = t("riders-expected", { riders: ridersOf(shift), low: shift.riders_low, high: shift.riders_high });
  return { rank: shift.rank, from, to, weight: shift.riders, lines: [`${daysOf(shift)} ${shift.departs}`, riders, `${t("regularity")} ${share(shift.regularity)}`] };
}

export function flowOfCluster({ geometry, properties: cluster }: Cluster, place: number): Flow {
  const [from, to] = geometry.coordinates as [Position, Position];
  const lines = [`${cluster.earliest.slice(0, 5)}–${cluster.latest.slice(0, 5)}`, `${t("trips")}: ${number(cluster.trips)}`, t("radius", { metres: Math.round(cluster.radius_m) })];
  return { rank: place + 1, from, to, weight: cluster.trips, lines };
}

export function daysOf(shift: ShiftProperties): string {
  const places = shift.weekdays.map((day) => WEEKDAYS.indexOf(day as (typeof WEEKDAYS)[number]));
  const [first = 0, last = 0] = [places[0], places.at(-1)];
  if (places.length > 2 && last - first === places.length - 1) return `${dayNames[first]}–${dayNames[last]}`;
  return places.map((place) => dayNames[place]).join(", ");
}

/** The expected riders of a departure. */
export function ridersOf({ riders }: Pick<ShiftProperties, "riders">): string {
  return number(Math.round(riders * 10) / 10);
}
