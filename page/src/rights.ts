// What the sender of the page's requests may do: nothing is offered that the service would refuse.
import { get } from "./api";
import { byId } from "./dom";

interface Rights {
  /** Of the key; null while no key exists. */
  name: string | null;
  role: "reader" | "writer" | "admin";
  regions: string[] | null;
  aggregates_only: boolean;
}
let rights: Rights = { name: null, role: "reader", regions: [], aggregates_only: true };

/** Reads the rights, and offers what they allow. */
export async function readRights(): Promise<void> {
  rights = await get<Rights>("/session");
  for (const id of ["upload-row", "sample-row"]) byId(id).hidden = !mayUpload();
  byId("sign-out").hidden = rights.name === null;
}

/** A file may hold trips of any region. */
export function mayUpload(): boolean {
  return rights.role !== "reader" && rights.regions === null;
}

/** Whether single trips and rejected rows may be shown. */
export function maySeeTrips(): boolean {
  return !rights.aggregates_only;
}
