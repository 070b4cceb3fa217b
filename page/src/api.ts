// Every request of the page: the calls of /api/v1, uploads with their progress, the feed, and signing in.
import type { Feature, LineString, Polygon, MultiPolygon } from "geojson";

export const ROOT = "/api/v1";

export interface Region {
  region: string;
  trips: number;
  weeks: number;
  first_at: string | null;
  last_at: string | null;
}
export interface WeekTrips {
  week: string;
  monday: string;
  trips: number;
}
export interface Weekly {
  mean: number | null;
  num_weeks: number;
  total_trips: number;
  series: WeekTrips[];
  as_of: string;
}
export interface Profile {
  num_weeks: number;
  total_trips: number[][];
  mean: (number | null)[][] | null;
}
export interface ShiftProperties {
  shift_id: number;
  region: string;
  week: string;
  monday: string;
  rank: number;
  weekdays: string[];
  departs: string;
  earliest: string;
  latest: string;
  riders: number;
  riders_low: number;
  riders_high: number;
  regularity: number;
  weeks: number;
  first_week: string;
  status: "new" | "continuing" | "ending";
  trips: number;
  pickup_walk_m: number;
  dropoff_walk_m: number;
  pickup_stop: string | null;
  dropoff_stop: string | null;
}
export interface ClusterProperties {
  cluster_id: number;
  week: string;
  time_of_day: string;
  earliest: string;
  latest: string;
  trips: number;
  radius_m: number;
}
export type Shift = Feature<LineString, ShiftProperties>;
export type Cluster = Feature<LineString, ClusterProperties>;
export type ShiftWithHistory = Shift & { history: ShiftProperties[] };
export type Zone = Feature<Polygon | MultiPolygon, { name: string; region: string | null }>;
export interface Trip {
  trip_id: number;
  origin: [number, number];
  destination: [number, number];
  started_at: string;
}
export interface Coverage {
  week: string | null;
  history: string[];
  /** null, without points, where exact counts are withheld. */
  trips: number | null;
  points: { shifts: number; departures: number; trips: number }[];
}
export interface Fleet {
  week: string | null;
  departures: number;
  vehicles: number;
}
export interface LedgerFile {
  file_id: number;
  name: string;
  status: string;
  /** null where exact counts are withheld. */
  rows_loaded: number | null;
  rows_rejected: number | null;
  task_id: string;
  queued_at: string;
  finished_at: string | null;
  error: string | null;
}
export interface Reject {
  line: number;
  reason: string;
  raw: string;
}
export interface FeedEvent {
  id: string;
  type: string;
  data: {
    message?: string;
    time?: string;
    url?: string;
    asset?: string;
    partition?: string;
    task_id?: string;
    task_ids?: string[];
    file_id?: number;
    rows?: number;
    share?: number;
    rows_loaded?: number;
    rows_rejected?: number;
    [more: string]: unknown;
  };
}
export type Parameters = Record<string, string | number | null | undefined>;

/** An answer with an error status, and the message that the service gave. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The service cannot be reached. */
export class OfflineError extends Error {}

interface Hooks {
  /** Asks for a key; resolves when the session is open. */
  signIn: () => Promise<void>;
  reachable: (is: boolean) => void;
}
const hooks: Hooks = { signIn: () => Promise.reject(new Error("sign in")), reachable: () => {} };
let signingIn: Promise<void> | null = null;

export function connect(given: Hooks): void {
  Object.assign(hooks, given);
}

/** The address of a call. */
export function address(path: string, parameters: Parameters = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return ROOT + path + (text ? `?${text}` : "");
}

async function send(url: string, options: RequestInit = {}): Promise<Response> {
  for (;;) {
    let answer: Response;
    try {
      answer = await fetch(url, options);
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      hooks.reachable(false);
      throw new OfflineError(url);
    }
    hooks.reachable(true);
    if (answer.status === 401) {
      await askToSignIn();
      continue;
    }
    if (!answer.ok) throw new ApiError(answer.status, await messageOf(answer));
    return answer;
  }
}

async function messageOf(answer: Response): Promise<string> {
  try {
    return ((await answer.json()) as { message: string }).message;
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}

/** All requests that were refused wait for the same form. */
function askToSignIn(): Promise<void> {
  signingIn ??= hooks.signIn().finally(() => {
    signingIn = null;
  });
  return signingIn;
}

export async function get<T>(path: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<T> {
  const answer = await send(address(path, parameters), signal ? { signal } : {});
  return (await answer.json()) as T;
}

/** Weekly trips or profile of an area; polygons that are too long for an address go into a body. */
export async function postWeekly(body: object, signal: AbortSignal): Promise<Weekly> {
  const headers = { "Content-Type": "application/json" };
  const answer = await send(`${ROOT}/trips/weekly`, { method: "POST", headers, body: JSON.stringify(body), signal });
  return (await answer.json()) as Weekly;
}

export async function openSession(key: string): Promise<void> {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`${ROOT}/session`, { method: "POST", headers, body: JSON.stringify({ key }) });
  if (!answer.ok) throw new ApiError(answer.status, await messageOf(answer));
}

export async function closeSession(): Promise<void> {
  await fetch(`${ROOT}/session`, { method: "DELETE" });
}

/** Streams a file into the landing zone; `progress` receives the share that was sent. */
export async function upload(file: File, progress: (share: number) => void): Promise<{ file_id: number; task_id: string }> {
  for (;;) {
    const { status, body } = await post(file, progress);
    if (status === 202) return body as { file_id: number; task_id: string };
    if (status !== 401) throw new ApiError(status, body.message ?? String(status));
    await askToSignIn();
  }
}

type Answer = { status: number; body: { message?: string } };

// fetch does not report how much of a body was sent.
function post(file: File, progress: (share: number) => void): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address("/files", { name: file.name }));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onload = () => resolve({ status: request.status, body: (request.response as Answer["body"]) ?? {} });
    request.onerror = () => reject(new OfflineError("/files"));
    request.send(file);
  });
}

/** Events of the feed after an id, until the connection ends. Unlike EventSource it says why one was refused. */
export async function* follow(after: string | null, signal: AbortSignal): AsyncGenerator<FeedEvent | "open"> {
  const headers: Record<string, string> = after === null ? {} : { "Last-Event-ID": after };
  const answer = await send(`${ROOT}/events`, { headers, signal });
  if (!answer.body) return;
  yield "open";
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value.replaceAll("\r\n", "\n");
    const frames = text.split("\n\n");
    text = frames.pop() ?? "";
    for (const frame of frames) {
      const event = parse(frame);
      if (event) yield event;
    }
  }
}

function parse(frame: string): FeedEvent | null {
  const fields: Record<string, string> = {};
  for (const line of frame.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
  }
  if (!fields.id || !fields.event || !fields.data) return null;
  return { id: fields.id, type: fields.event, data: JSON.parse(fields.data) as FeedEvent["data"] };
}
