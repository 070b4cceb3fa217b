// The particulars of one shift: its places, its trips by weekday and its history.
import type { ShiftProperties, ShiftWithHistory, Trip } from "./api";
import { h } from "./dom";
import { daysOf, ridersOf } from "./flow_words";
import { date, dayNames, number, share, t } from "./i18n";
import { update, WEEKDAYS } from "./view";

export function shiftDetail(shift: ShiftWithHistory, trips: Trip[] | null): HTMLElement {
  const { properties: now } = shift;
  const dayOf = (trip: Trip) => (new Date(`${trip.started_at}Z`).getUTCDay() + 6) % 7;
  const byDay = WEEKDAYS.map((_, day) => (trips ?? []).filter((trip) => dayOf(trip) === day).length);
  const title = h("h3", { tabindex: -1 }, t("open-shift", { rank: now.rank, days: daysOf(now), departs: now.departs, riders: ridersOf(now) }));
  return h(
    "div",
    { class: "detail" },
    h("header", {}, title, h("button", { type: "button", onclick: () => update({ shift: null }) }, t("close"))),
    h("p", {}, t("from-to", { from: now.pickup_stop ?? t("a-point"), to: now.dropoff_stop ?? t("a-point") })),
    h("p", {}, t("riders-expected", { riders: ridersOf(now), low: now.riders_low, high: now.riders_high })),
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
              h("td", {}, ridersOf(week)),
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
