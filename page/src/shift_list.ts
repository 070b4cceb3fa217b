// The list of shifts, sorted by any column.
import type { Shift, ShiftProperties } from "./api";
import { byId, h } from "./dom";
import { daysOf, ridersOf } from "./flow_words";
import { share, t } from "./i18n";
import { update, view, WEEKDAYS } from "./view";
import type { Word } from "./words_en";

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

export class ShiftList {
  private shown: Shift[] = [];
  private column: Column = "rank";
  private ascending = true;
  private rows = ROWS;

  /** `point` shows the flow of a rank on the map, or none. */
  constructor(private readonly point: (rank: number | null) => void) {}

  /** Shows some shifts, out of as many. */
  show(shown: Shift[], total: number): void {
    this.shown = shown;
    byId("list-count").textContent = total ? t("list-count", { shown: shown.length, total }) : "";
    this.draw();
  }

  /** Shows few rows again. */
  shorten(): void {
    this.rows = ROWS;
  }

  private draw(): void {
    const shown = this.shown;
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
    const words = { rank: shift.rank, days: daysOf(shift), departs: shift.departs, riders: ridersOf(shift) };
    const filled = h("i");
    filled.style.width = `${100 * shift.regularity}%`;
    const point = () => this.point(shift.rank);
    const leave = () => this.point(null);
    return h(
      "tr",
      { class: shift.shift_id === view.shift ? "chosen" : null, onmouseenter: point, onmouseleave: leave, onfocusin: point, onfocusout: leave },
      h("td", {}, h("button", { type: "button", "aria-label": t("open-shift", words), onclick: () => update({ shift: shift.shift_id }) }, String(shift.rank))),
      h("td", {}, daysOf(shift)),
      h("td", {}, shift.departs),
      h("td", {}, `${ridersOf(shift)} (${shift.riders_low}–${shift.riders_high})`),
      h("td", {}, h("span", { class: "bar" }, filled), share(shift.regularity)),
      h("td", {}, t(`status-${shift.status}`)),
    );
  }

  private sort(column: Column): void {
    this.ascending = column === this.column ? !this.ascending : true;
    this.column = column;
    this.draw();
    byId("list").querySelector<HTMLElement>("th[aria-sort] button")?.focus();
  }

  private showMore(): void {
    this.rows += 4 * ROWS;
    this.draw();
  }
}
