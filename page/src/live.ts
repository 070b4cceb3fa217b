// What happens now: files that are dropped or uploaded, their progress, and the events of the feed.
import { follow, get, upload, type FeedEvent, type LedgerFile, type Reject } from "./api";
import { byId, h } from "./dom";
import { number, t, time } from "./i18n";
import { describe } from "./numbers";
import { maySeeTrips, mayUpload } from "./rights";

const SHOWN_EVENTS = 100;
const SHOWN_REJECTS = 20;
const PAST_FILES = 10;
const RETRY_MS = [500, 1000, 2000, 5000, 10_000];
const SAMPLE_WEEKS = 6;

interface Listeners {
  /** Trips were loaded, replaced or removed. */
  loaded: () => void;
  /** Clusters, shifts or aggregates were made anew. */
  made: () => void;
}

/** An upload, or a file that someone else dropped. */
interface Row {
  name: string;
  element: HTMLLIElement;
  text: HTMLSpanElement;
  bar: HTMLProgressElement;
}

export class LivePanel {
  private last: string | null = null;
  private readonly rows = new Map<string, Row>();
  private readonly seen = new Set<string>();

  constructor(private readonly listeners: Listeners) {
    const input = byId<HTMLInputElement>("file");
    byId("upload").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      this.send([...(input.files ?? [])]);
      input.value = "";
    });
    this.acceptDrops();
    byId("feed").append(h("li", {}, h("span", { class: "quiet" }, t("feed-none"))));
    void this.listen();
  }

  /** Generates trips in the browser and uploads them like any other file. */
  loadSample(): void {
    this.send([new File([sample()], "sample.csv", { type: "text/csv" })]);
  }

  private acceptDrops(): void {
    const overlay = byId("drop");
    let inside = 0;
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    addEventListener("dragenter", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      inside++;
      overlay.hidden = !mayUpload();
    });
    addEventListener("dragleave", (event) => {
      if (!hasFiles(event)) return;
      inside = Math.max(0, inside - 1);
      overlay.hidden = inside === 0 || !mayUpload();
    });
    // Without this the browser would leave the page for the file.
    addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      const files = [...(event.dataTransfer?.files ?? [])];
      inside = 0;
      overlay.hidden = true;
      if (files.length === 0) return;
      event.preventDefault();
      if (!mayUpload()) return;
      this.send(files);
    });
  }

  private send(files: File[]): void {
    for (const file of files) void this.sendOne(file);
    byId("uploads").scrollIntoView({ block: "nearest" });
  }

  private async sendOne(file: File): Promise<void> {
    const row = this.addRow(file.name);
    const { name } = file;
    try {
      row.text.textContent = t("sending", { name });
      const { task_id: task } = await upload(file, (part) => (row.bar.value = part));
      row.text.textContent = t("queued", { name });
      row.bar.removeAttribute("value");
      this.rows.set(task, row);
      // It may be done already, before its events could be told from those of others.
      const [known] = (await get<{ files: LedgerFile[] }>("/files", { task_id: task })).files;
      if (known?.finished_at) await this.finish(row, known);
    } catch (reason) {
      this.fail(row, describe(reason));
    }
  }

  private addRow(name: string): Row {
    const text = h("span", { role: "status" });
    const bar = h("progress", { max: 1, "aria-label": name });
    const element = h("li", {}, text, bar);
    byId("uploads").prepend(element);
    return { name, element, text, bar };
  }

  private fail(row: Row, reason: string): void {
    row.bar.remove();
    row.text.className = "error";
    row.text.textContent = t("failed", { name: row.name, reason });
  }

  private async finish(row: Row, file: LedgerFile): Promise<void> {
    this.rows.delete(file.task_id);
    if (file.status === "failed") return this.fail(row, file.error ?? file.status);
    row.bar.remove();
    row.text.textContent = said(file);
    if (!file.rows_rejected || !maySeeTrips()) return;
    const { rejects } = await get<{ rejects: Reject[] }>(`/files/${file.file_id}/rejects`, { limit: SHOWN_REJECTS });
    const head = (["line", "reason", "row"] as const).map((word) => h("th", { scope: "col" }, t(word)));
    const lines = rejects.map(({ line, reason, raw }) => h("tr", {}, h("td", {}, number(line)), h("td", {}, reason), h("td", {}, raw)));
    const table = h("table", {}, h("caption", {}, t("rejects")), h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...lines));
    row.element.append(h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": t("rejects") }, table));
  }

  /** Follows the feed for ever; after a lost connection from the last event on. */
  private async listen(): Promise<void> {
    await this.listPast();
    let failures = 0;
    let wasOpen = false;
    for (;;) {
      try {
        for await (const event of follow(this.last, new AbortController().signal)) {
          if (event !== "open") {
            this.receive(event);
            continue;
          }
          this.state(wasOpen ? "resumed" : "connected", "on");
          // No event is missed, but other requests may have failed meanwhile.
          if (wasOpen || failures > 0) this.listeners.loaded();
          failures = 0;
          wasOpen = true;
        }
      } catch {
        // Refused, or cut off: both are shown below, and tried again.
      }
      this.state("lost", "off");
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]));
    }
  }

  /** The newest files of the ledger, so that the list does not begin empty. */
  private async listPast(): Promise<void> {
    try {
      const { files } = await get<{ files: LedgerFile[] }>("/files", { limit: PAST_FILES });
      for (const file of files.reverse()) {
        const counts = said(file);
        const text = file.error === null ? counts : t("failed", { name: file.name, reason: file.error });
        this.list({ id: "", type: `file.${file.status}`, data: { message: text, time: file.finished_at ?? file.queued_at } });
      }
    } catch {
      // The page says already what is wrong.
    }
  }

  private state(word: "connected" | "resumed" | "lost", look: "on" | "off"): void {
    const output = byId("connection");
    output.textContent = t(word);
    output.className = `connection ${look}`;
  }

  private receive(event: FeedEvent): void {
    this.last = event.id;
    if (this.seen.has(event.id)) return;
    this.seen.add(event.id);
    const { type, data } = event;
    const row = this.rowOf(data.task_ids ?? [data.task_id ?? ""]);
    if (type === "file.progress") {
      if (row) this.progress(row, data);
      return;
    }
    this.list(event);
    if (type === "file.loaded" || type === "file.failed") {
      if (row && data.file_id !== undefined) {
        void get<LedgerFile>(`/files/${data.file_id}`).then((file) => this.finish(row, file));
      }
      if (type === "file.loaded") this.listeners.loaded();
    }
    if (type === "file.deleted") this.listeners.loaded();
    if (type === "asset.materialized" || type === "run.succeeded") this.listeners.made();
  }

  private rowOf(tasks: string[]): Row | undefined {
    return tasks.map((task) => this.rows.get(task)).find((row) => row !== undefined);
  }

  private progress(row: Row, { rows, share }: FeedEvent["data"]): void {
    row.text.textContent = t("loading", { name: row.name, rows: rows ?? 0 });
    if (typeof share === "number") row.bar.value = share;
  }

  private list({ type, data }: FeedEvent): void {
    const feed = byId("feed");
    if (!feed.querySelector("time")) feed.replaceChildren();
    const message = data.message === type ? null : data.message;
    const text = message ?? [data.asset, data.partition].filter(Boolean).join(" ");
    const isBad = type.endsWith(".failed");
    // Only addresses of the web: the feed must not bring scripts.
    const isLink = /^https?:\/\//.test(data.url ?? "");
    const when = data.time ?? new Date().toISOString();
    feed.prepend(
      h(
        "li",
        {},
        h("time", { datetime: when }, time(when)),
        h(
          "span",
          { class: isBad ? "bad" : null },
          `${[type, text].filter(Boolean).join(": ")} `,
          isLink && h("a", { href: data.url ?? "", target: "_blank", rel: "noreferrer" }, t("in-dagster")),
        ),
      ),
    );
    while (feed.childElementCount > SHOWN_EVENTS) feed.lastElementChild?.remove();
  }
}

/** That a file is loaded, with its counts unless they are withheld. */
function said({ name, rows_loaded: rows, rows_rejected: rejects }: LedgerFile): string {
  return rows === null || rejects === null ? t("loaded-uncounted", { name }) : t("loaded", { name, rows, rejects });
}

/** Trips of commuters around a city in the last weeks, the same each time within a week. */
function sample(): string {
  const random = generator(7);
  const lines = ["region,origin_coord,destination_coord,datetime,datasource"];
  const monday = new Date();
  monday.setUTCHours(0, 0, 0, 0);
  monday.setUTCDate(monday.getUTCDate() - ((monday.getUTCDay() + 6) % 7) - 7 * SAMPLE_WEEKS);
  const [lon, lat] = [7.6869, 45.0703];
  const near = (spread: number) => (random() + random() + random() - 1.5) * spread;
  const routes = Array.from({ length: 40 }, () => ({
    from: [lon + near(0.12), lat + near(0.09)] as const,
    to: [lon + near(0.07), lat + near(0.05)] as const,
    minute: 60 * (random() < 0.6 ? 7 : 16) + Math.floor(150 * random()),
    riders: 4 + Math.floor(9 * random()),
  }));
  const add = (day: number, minute: number, from: readonly [number, number], to: readonly [number, number], spread: number) => {
    const start = new Date(monday.getTime() + 86_400_000 * day + 60_000 * Math.min(1439, Math.max(0, Math.floor(minute))));
    const point = ([x, y]: readonly [number, number]) => `POINT (${(x + near(spread)).toFixed(5)} ${(y + near(spread)).toFixed(5)})`;
    lines.push(`Sample,${point(from)},${point(to)},${start.toISOString().slice(0, 19).replace("T", " ")},sample`);
  };
  for (let day = 0; day < 7 * SAMPLE_WEEKS; day++) {
    for (const { from, to, minute, riders } of routes) {
      if (day % 7 > 4) continue;
      for (let rider = 0; rider < riders; rider++) add(day, minute + near(14), from, to, 0.003);
    }
    for (let trip = 0; trip < 150; trip++) add(day, 1440 * random(), [lon, lat], [lon, lat], 0.12);
  }
  return `${lines.join("\n")}\n`;
}

/** Numbers from 0 to 1 by a linear congruential generator. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
