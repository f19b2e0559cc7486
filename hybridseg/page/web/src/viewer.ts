/** The canvas: one picture or the same one twice, zoom and pan by wheel, fingers and keys, and a pointer for tools. */
import type { Paint } from "./layers";
import type { Grid } from "./mask";

export interface Pane {
  title: string;
  layers: Paint[];
}

export interface Tool {
  /** A place in the picture, in pixels; `phase` of the stroke that it belongs to. */
  stroke(phase: "start" | "move" | "end", x: number, y: number): void;
  /** What the pointer looks like, in the picture's pixels. */
  radius(): number;
}

const MAX_ZOOM = 40;
const STEP = 1.25;

export class Viewer {
  tool: Tool | null = null;
  /** Share of the picture's width, from the left, that is shown without layers. */
  bare = 0;
  private picture: HTMLCanvasElement | null = null;
  private panes: Pane[] = [];
  private zoom = 1;
  private centre = { x: 0, y: 0 };
  private cursor: { x: number; y: number } | null = null;
  private readonly pointers = new Map<number, { x: number; y: number }>();
  private drawing = false;
  private pending = 0;

  constructor(private readonly canvas: HTMLCanvasElement) {
    new ResizeObserver(() => this.redraw()).observe(canvas);
    canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.onKey(event));
    canvas.addEventListener("pointerdown", (event) => this.onDown(event));
    canvas.addEventListener("pointermove", (event) => this.onMove(event));
    for (const name of ["pointerup", "pointercancel"] as const) canvas.addEventListener(name, (event) => this.onUp(event));
    canvas.addEventListener("pointerleave", () => this.setCursor(null));
  }

  /** Show another picture, fitted. */
  open(picture: HTMLCanvasElement | null): void {
    this.picture = picture;
    this.panes = [];
    this.fit();
  }

  setPanes(panes: Pane[]): void {
    this.panes = panes;
    this.redraw();
  }

  fit(): void {
    this.zoom = 1;
    this.centre = { x: (this.picture?.width ?? 0) / 2, y: (this.picture?.height ?? 0) / 2 };
    this.redraw();
  }

  zoomBy(factor: number, at?: { x: number; y: number }): void {
    const before = at && this.toPicture(at);
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.5), MAX_ZOOM);
    if (at && before) {
      const after = this.toPicture(at);
      this.centre.x += before.x - after.x;
      this.centre.y += before.y - after.y;
    }
    this.redraw();
  }

  redraw(): void {
    this.pending ||= requestAnimationFrame(() => {
      this.pending = 0;
      this.draw();
    });
  }

  private get grid(): Grid {
    return this.picture ?? { width: 1, height: 1 };
  }

  /** Where the panes lie on the canvas, in CSS pixels: side by side, or one above the other where it is narrow. */
  private places(): { left: number; top: number; width: number; height: number }[] {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const count = Math.max(1, this.panes.length);
    const wide = width >= height;
    return Array.from({ length: count }, (_, i) => ({
      left: wide ? (i * width) / count : 0,
      top: wide ? 0 : (i * height) / count,
      width: wide ? width / count : width,
      height: wide ? height : height / count,
    }));
  }

  private get scale(): number {
    const [place] = this.places();
    return this.zoom * Math.min((place?.width ?? 1) / this.grid.width, (place?.height ?? 1) / this.grid.height);
  }

  private toPicture({ x, y }: { x: number; y: number }): { x: number; y: number } {
    const places = this.places();
    const place = places.find(({ left, top, width, height }) => x >= left && y >= top && x < left + width && y < top + height) ?? places[0];
    if (!place) return { x: 0, y: 0 };
    return {
      x: this.centre.x + (x - place.left - place.width / 2) / this.scale,
      y: this.centre.y + (y - place.top - place.height / 2) / this.scale,
    };
  }

  private draw(): void {
    const { canvas, picture } = this;
    const context = canvas.getContext("2d");
    if (!context) return;
    const density = window.devicePixelRatio;
    [canvas.width, canvas.height] = [Math.round(canvas.clientWidth * density), Math.round(canvas.clientHeight * density)];
    if (!picture) return;
    const { scale } = this;
    this.places().forEach((place, i) => {
      context.save();
      context.setTransform(density, 0, 0, density, 0, 0);
      context.beginPath();
      context.rect(place.left, place.top, place.width, place.height);
      context.clip();
      context.translate(place.left + place.width / 2, place.top + place.height / 2);
      context.scale(scale, scale);
      context.translate(-this.centre.x, -this.centre.y);
      context.imageSmoothingEnabled = scale * density < 3;
      context.imageSmoothingQuality = "high";
      context.drawImage(picture, 0, 0);
      this.drawLayers(context, this.panes[i]?.layers ?? [], scale);
      context.restore();
      context.setTransform(density, 0, 0, density, 0, 0);
      drawTitle(context, this.panes[i]?.title ?? "", place.left + 10, place.top + 22);
    });
  }

  private drawLayers(context: CanvasRenderingContext2D, layers: Paint[], scale: number): void {
    const { width, height } = this.grid;
    const from = this.bare * width;
    context.save();
    context.beginPath();
    context.rect(from, -1, width - from + 1, height + 2);
    context.clip();
    for (const layer of layers) layer(context, scale);
    context.restore();
    context.strokeStyle = "#fff";
    context.lineWidth = 1.5 / scale;
    context.beginPath();
    if (this.bare > 0) {
      context.moveTo(from, 0);
      context.lineTo(from, height);
    }
    if (this.tool && this.cursor) {
      const radius = Math.max(this.tool.radius(), 3 / scale);
      context.moveTo(this.cursor.x + radius, this.cursor.y);
      context.arc(this.cursor.x, this.cursor.y, radius, 0, 2 * Math.PI);
    }
    context.stroke();
  }

  private setCursor(place: { x: number; y: number } | null): void {
    if (this.tool || this.cursor) this.redraw();
    this.cursor = place;
  }

  private onWheel(event: WheelEvent): void {
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY / (event.deltaMode ? 30 : 400)), { x: event.offsetX, y: event.offsetY });
  }

  private onDown(event: PointerEvent): void {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    const place = this.toPicture({ x: event.offsetX, y: event.offsetY });
    if (this.tool && this.pointers.size === 1) {
      this.drawing = true;
      this.tool.stroke("start", place.x, place.y);
    } else if (this.drawing) {
      this.endStroke(place); // a second finger: the person zooms
    }
  }

  private onMove(event: PointerEvent): void {
    const now = { x: event.offsetX, y: event.offsetY };
    const place = this.toPicture(now);
    this.setCursor(place);
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    if (this.drawing) {
      this.tool?.stroke("move", place.x, place.y);
    } else {
      const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
      if (other) {
        const spread = (point: { x: number; y: number }) => Math.hypot(point.x - other.x, point.y - other.y);
        this.zoomBy(spread(now) / Math.max(spread(before), 1), other);
      }
      const share = other ? 2 : 1;
      this.pan((before.x - now.x) / share, (before.y - now.y) / share);
    }
    this.pointers.set(event.pointerId, now);
  }

  private onUp(event: PointerEvent): void {
    this.pointers.delete(event.pointerId);
    if (this.drawing) this.endStroke(this.toPicture({ x: event.offsetX, y: event.offsetY }));
  }

  private endStroke({ x, y }: { x: number; y: number }): void {
    this.drawing = false;
    this.tool?.stroke("end", x, y);
  }

  /** Move the view by CSS pixels. */
  private pan(right: number, down: number): void {
    this.centre.x = Math.min(Math.max(this.centre.x + right / this.scale, 0), this.grid.width);
    this.centre.y = Math.min(Math.max(this.centre.y + down / this.scale, 0), this.grid.height);
    this.redraw();
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrows: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const arrow = arrows[event.key];
    if (arrow && this.tool) this.moveCursor(...arrow);
    else if (arrow) this.pan(40 * arrow[0], 40 * arrow[1]);
    else if (event.key === "+" || event.key === "=") this.zoomBy(STEP);
    else if (event.key === "-") this.zoomBy(1 / STEP);
    else if (event.key === "0") this.fit();
    else if (event.key === " " && this.tool && this.cursor) {
      this.tool.stroke("start", this.cursor.x, this.cursor.y);
      this.tool.stroke("end", this.cursor.x, this.cursor.y);
    } else return;
    event.preventDefault();
  }

  private moveCursor(right: number, down: number): void {
    const step = Math.max(this.tool?.radius() ?? 1, 4 / this.scale);
    const from = this.cursor ?? this.centre;
    this.setCursor({ x: from.x + right * step, y: from.y + down * step });
    this.redraw();
  }
}

function drawTitle(context: CanvasRenderingContext2D, title: string, x: number, y: number): void {
  context.font = "600 14px system-ui, sans-serif";
  context.lineWidth = 4;
  context.lineJoin = "round";
  context.strokeStyle = "#000c";
  context.fillStyle = "#fff";
  context.strokeText(title, x, y);
  context.fillText(title, x, y);
}
