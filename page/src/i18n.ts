// Texts, numbers and dates of the page in the browser's language.

import { english, type Word } from "./words_en";
import { spanish } from "./words_es";

export const language = navigator.language.toLowerCase().startsWith("es") ? "es" : "en";
const words: Record<Word, string> = language === "es" ? spanish : english;

/** A text, with values in the places of their names. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  return words[word].replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : String(value);
  });
}

/** Puts the texts of this language into the elements that name them. */
export function translate(root: ParentNode): void {
  document.documentElement.lang = language;
  for (const element of root.querySelectorAll<HTMLElement>("[data-t]")) {
    element.textContent = words[element.dataset.t as Word];
  }
  for (const element of root.querySelectorAll<HTMLElement>("[data-label]")) {
    element.setAttribute("aria-label", words[element.dataset.label as Word]);
  }
}

const plain = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
const exact = new Intl.NumberFormat(language, { maximumFractionDigits: 2, useGrouping: false });
const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 });

export function number(value: number): string {
  return plain.format(value);
}

/** Without marks between thousands. */
export function ungrouped(value: number): string {
  return exact.format(value);
}

export function share(value: number): string {
  return percent.format(value);
}

/** Short and long names of the days, from Monday. */
export const dayNames = days("short");
export const longDayNames = days("long");

function days(weekday: "short" | "long"): string[] {
  const format = new Intl.DateTimeFormat(language, { weekday, timeZone: "UTC" });
  // 1 January 2018 was a Monday.
  return Array.from({ length: 7 }, (_, day) => format.format(Date.UTC(2018, 0, 1 + day)));
}

const dates = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const times = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

export function date(text: string): string {
  return dates.format(new Date(`${text.slice(0, 10)}T00:00:00Z`));
}

export function time(text: string): string {
  return times.format(new Date(text));
}
