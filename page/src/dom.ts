// Small helpers for the elements of the page.

type Child = Node | string | null | false;
type Properties = Record<string, string | number | boolean | null | EventListener>;

/** The element with an id, which the page has. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found as T;
}

/** A new element; properties are attributes, and those named on… are listeners. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, properties: Properties = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== false));
  return element;
}

/** Options of a select; keeps the chosen one if it is still there. */
export function fill(select: HTMLSelectElement, options: [string, string][], chosen: string | null): void {
  select.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
  if (chosen !== null && options.some(([value]) => value === chosen)) select.value = chosen;
}

/** Calls once, some time after the last of several calls. */
export function debounce(milliseconds: number, call: () => void): () => void {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = window.setTimeout(call, milliseconds);
  };
}

/** Runs a task again for what changed while it ran, never two at a time: answers follow a drag as fast as they come. */
export function chase(task: () => Promise<void>): () => void {
  let running = false;
  let again = false;
  const run = async () => {
    running = true;
    do {
      again = false;
      await task();
    } while (again);
    running = false;
  };
  return () => {
    if (running) again = true;
    else void run();
  };
}

/** Runs the newest task only: an older answer that arrives later is dropped. */
export function newest(): <T>(task: (signal: AbortSignal) => Promise<T>) => Promise<T | null> {
  let current: AbortController | null = null;
  return async (task) => {
    current?.abort();
    const mine = (current = new AbortController());
    try {
      const answer = await task(mine.signal);
      return mine === current ? answer : null;
    } catch (error) {
      if (mine !== current) return null;
      throw error;
    }
  };
}

/** The shape of a download that the page itself writes. */
export function save(name: string, text: string, type: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** The value of a custom property of the style sheet, such as --ink. */
export function css(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
