// Starts the page and connects its parts: regions and weeks, the map, the numbers, the shifts, what happens now.
import { ApiError, closeSession, connect, get, openSession, type Region, type WeekTrips, type Zone } from "./api";
import { AreaTool } from "./area";
import { byId, debounce, fill, h, newest } from "./dom";
import { FlowPanel } from "./flows";
import { date, t, translate } from "./i18n";
import { LivePanel } from "./live";
import { TripMap, type Flow } from "./map";
import { refreshNumbers, setWeeks, setZones, startNumbers, weeksOf } from "./numbers";
import { readRights } from "./rights";
import { onChange, update, view } from "./view";

const regionSelect = byId<HTMLSelectElement>("region");
const weekSelect = byId<HTMLSelectElement>("week");
const notice = byId("notice");
const choosing = newest();
let regions: Region[] = [];

translate(document);
byId("sign-out").addEventListener("click", () => void closeSession().then(() => location.reload()));
connect({ signIn, reachable });
/** What the first view shows has been asked for. */
let asked: () => void = () => {};
// The map takes a second, in which nothing else happens: the answers arrive meanwhile.
const map = new Promise<void>((resolve) => (asked = resolve)).then(startMap);
const flows = new FlowPanel(map);
void map.then((made) => made && new AreaTool(made));
const refreshSoon = debounce(150, () => void refresh());
const live = new LivePanel({
  loaded: () => {
    refreshNumbers();
    refreshSoon();
  },
  made: debounce(800, () => flows.refresh()),
});
startNumbers();
listen();
void refresh().finally(() => asked());

function startMap(): TripMap | null {
  if (!document.createElement("canvas").getContext("webgl2")) {
    byId("map").replaceChildren(h("p", { class: "no-map" }, t("no-webgl")));
    return null;
  }
  return new TripMap(byId("map"), view.at, {
    moved: (at) => update({ at }),
    hovered: showTip,
    chosen: (flow) => flows.chooseOnMap(flow),
  });
}

function listen(): void {
  regionSelect.addEventListener("change", () => update({ region: regionSelect.value, week: null, area: null, at: null, shift: null, from: null, to: null }));
  weekSelect.addEventListener("change", () => update({ week: weekSelect.value || null, shift: null }));
  for (const input of document.querySelectorAll<HTMLInputElement>("input[name=layer]")) {
    input.checked = input.value === view.layer;
    input.addEventListener("change", () => update({ layer: input.value === "clusters" ? "clusters" : "shifts" }));
  }
  byId("sample").addEventListener("click", () => live.loadSample());
  onChange((changed) => changed.has("region") && void choose());
}

/** Reads the regions, and all that follows from them, again. */
async function refresh(): Promise<void> {
  try {
    const [answer] = await Promise.all([get<{ regions: Region[] }>("/regions"), readRights()]);
    regions = answer.regions.filter(({ trips }) => trips > 0);
  } catch (reason) {
    complain(reason);
    return;
  }
  say("");
  byId("empty").hidden = regions.length > 0;
  byId("sample").hidden = !["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  fill(regionSelect, regions.map(({ region }) => [region, region]), view.region);
  const largest = [...regions].sort((a, b) => b.trips - a.trips)[0];
  const known = regions.find(({ region }) => region === view.region);
  if (!known && largest) {
    regionSelect.value = largest.region;
    update({ region: largest.region });
    return;
  }
  await choose();
}

/** Shows the chosen region: its weeks, its place, its density, its zones. */
async function choose(): Promise<void> {
  const region = regions.find(({ region: name }) => name === view.region);
  if (!region) return;
  regionSelect.value = region.region;
  document.title = `${region.region} · ${t("title")}`;
  if (view.layer === "shifts") flows.refresh();
  try {
    const answers = choosing(async (signal) => {
      const parameters = { region: region.region };
      const [weeks, extent, zones] = await Promise.all([
        weeksOf(region, signal),
        view.at ? null : get<{ bbox: [number, number, number, number] | null }>("/trips/extent", parameters, signal),
        get<{ features: Zone[] }>("/zones", { ...parameters, limit: 1000 }, signal),
      ]);
      return { weeks, extent, zones: zones.features };
    });
    setTimeout(asked);
    const found = await answers;
    if (found === null) return;
    showWeeks(found.weeks);
    setZones(found.zones);
    // Clusters are of a week, which is known now.
    if (view.layer === "clusters") flows.refresh();
    const made = await map;
    if (!made) return;
    if (found.extent?.bbox && !view.at) made.show(found.extent.bbox);
    await made.ready;
    made.setZones(found.zones);
    made.setDensity(region.region, `${region.trips}-${region.last_at}`);
  } catch (reason) {
    complain(reason);
  }
}

/** Says what the service answered; that it cannot be reached is said already. */
function complain(reason: unknown): void {
  if (reason instanceof ApiError) say(t("error", { message: reason.message }));
}

function showWeeks(weeks: WeekTrips[]): void {
  const names = [...weeks].reverse();
  const newestWeek = names[0]?.week ?? "";
  weekSelect.dataset.newest = newestWeek;
  const options = names.map(({ week, monday }): [string, string] => [week, `${week} (${date(monday)})`]);
  fill(weekSelect, [["", `${t("newest")} (${newestWeek})`], ...options], view.week);
  setWeeks(weeks);
}

function showTip(flow: Flow | null, x: number, y: number): void {
  const tip = byId("tip");
  tip.hidden = flow === null;
  if (!flow) return;
  tip.replaceChildren(...flow.lines.map((line) => h("div", {}, line)));
  const { clientWidth, clientHeight } = byId("map");
  const left = Math.min(x + 14, clientWidth - tip.offsetWidth - 6);
  const top = y + 14 + tip.offsetHeight > clientHeight ? y - tip.offsetHeight - 10 : y + 14;
  tip.style.transform = `translate(${left}px, ${top}px)`;
}

function say(text: string): void {
  notice.textContent = text;
  notice.hidden = text === "";
}

function reachable(is: boolean): void {
  if (!is) say(t("offline"));
  else if (notice.textContent === t("offline")) say("");
}

/** Asks for a key until the service accepts one. */
function signIn(): Promise<void> {
  const dialog = byId<HTMLDialogElement>("sign-in");
  const form = byId<HTMLFormElement>("sign-in-form");
  const key = byId<HTMLInputElement>("key");
  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      openSession(key.value).then(
        () => {
          key.value = "";
          byId("key-error").textContent = "";
          dialog.close();
          resolve();
        },
        () => (byId("key-error").textContent = t("wrong-key")),
      );
    };
    dialog.oncancel = (event) => event.preventDefault();
    if (!dialog.open) dialog.showModal();
  });
}
