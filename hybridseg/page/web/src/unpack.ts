/** What `hybridseg page` has put into the page: gzip in base 85, Python's `base64.b85encode` with "," for "<". */

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;,=>?@^_`{|}~";

export async function unpackText(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const unpacked = new Blob([fromBase85(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

export function fromBase85(text: string): Uint8Array<ArrayBuffer> {
  const values = new Uint8Array(128);
  for (let i = 0; i < DIGITS.length; i++) values[DIGITS.charCodeAt(i)] = i;
  const groups = Math.ceil(text.length / 5);
  const bytes = new Uint8Array(4 * groups);
  const view = new DataView(bytes.buffer);
  for (let group = 0; group < groups; group++) {
    let value = 0;
    for (let i = 5 * group; i < 5 * group + 5; i++) value = value * 85 + (i < text.length ? (values[text.charCodeAt(i)] as number) : 84);
    view.setUint32(4 * group, value);
  }
  return bytes.subarray(0, bytes.length - (5 * groups - text.length));
}
