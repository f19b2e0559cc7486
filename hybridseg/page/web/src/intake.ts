/** The ways by which pictures come in: drop, paste, files, camera, and the example. */
import { byId, onClick, say } from "./dom";

export function takeFiles(add: (files: File[]) => void): void {
  const give = (files: Iterable<File> | null | undefined) => {
    const list = [...(files ?? [])];
    if (list.length > 0) add(list);
  };
  for (const id of ["files", "camera"]) {
    const input = byId<HTMLInputElement>(id);
    input.addEventListener("change", () => {
      give(input.files);
      input.value = "";
    });
  }
  for (const id of ["choose", "add"]) onClick(id, () => byId("files").click());
  onClick("photograph", () => byId("camera").click());
  onClick("example", async () => give([await exampleFile()]));
  document.addEventListener("paste", (event) => give(event.clipboardData?.files));
  takeDrops(give);
}

function takeDrops(give: (files: FileList | undefined) => void): void {
  const veil = byId("dropping");
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    veil.hidden = !event.dataTransfer?.types.includes("Files");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) veil.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    veil.hidden = true;
    give(event.dataTransfer?.files);
  });
}

async function exampleFile(): Promise<File> {
  const { src } = document.querySelector("#example img") as HTMLImageElement;
  const bytes = Uint8Array.from(atob(src.slice(src.indexOf(",") + 1)), (sign) => sign.charCodeAt(0));
  return new File([bytes], say("exampleName"), { type: "image/png" });
}

/** Whether what a page draws comes back as it was drawn: some browsers change it against tracking. */
export function keepsPixels(): boolean {
  const context = new OffscreenCanvas(16, 16).getContext("2d", { willReadFrequently: true });
  if (!context) return false;
  const drawn = new ImageData(16, 16);
  drawn.data.forEach((_, i) => {
    drawn.data[i] = i % 4 === 3 ? 255 : (i * 37) % 256;
  });
  context.putImageData(drawn, 0, 0);
  const read = context.getImageData(0, 0, 16, 16).data;
  return drawn.data.every((value, i) => read[i] === value);
}
