// Safetensors and GGUF files of F32 tensors, as small as they can be: an implementation of its own, so that LoraKit's is not tested against itself.
import fs from "node:fs";

/** @param {Record<string, {shape: number[], values: Float32Array}>} tensors */
export function writeSafetensors(path, tensors) {
  const header = { __metadata__: { format: "pt" } };
  let end = 0;
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape, data_offsets: [end, (end += 4 * values.length)] };
  }

  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  fs.writeFileSync(path, Buffer.concat([length, json, ...Object.values(tensors).map(({ values }) => Buffer.from(values.buffer, values.byteOffset, values.byteLength))]));
}

export function readSafetensors(path) {
  const file = fs.readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE());
  const { __metadata__, ...header } = JSON.parse(file.subarray(8, start).toString());
  return Object.fromEntries(Object.entries(header).map(([name, { dtype, shape, data_offsets: [from, to] }]) => {
    if (dtype !== "F32") throw new Error(`${name} is ${dtype}`);
    return [name, { shape, values: new Float32Array(file.buffer.slice(file.byteOffset + start + from, file.byteOffset + start + to)) }];
  }));
}

const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32LE(n); return b; };
const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(n)); return b; };
const f32 = (n) => { const b = Buffer.alloc(4); b.writeFloatLE(n); return b; };
const text = (s) => Buffer.concat([u64(Buffer.byteLength(s)), Buffer.from(s)]);
const types = { u32: [4, u32], i32: [5, u32], f32: [6, f32], text: [8, text] };

/** @param {[string, string, any][]} keys Key, type (an array's with []), value. */
export function writeGguf(path, keys, tensors) {
  const parts = [Buffer.from("GGUF"), u32(3), u64(Object.keys(tensors).length), u64(keys.length)];
  for (const [key, type, value] of keys) {
    const isArray = type.endsWith("[]"), [number, bytes] = types[type.replace("[]", "")];
    parts.push(text(key), ...(isArray ? [u32(9), u32(number), u64(value.length), ...value.map(bytes)] : [u32(number), bytes(value)]));
  }

  let end = 0;
  const data = [];
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    parts.push(text(name), u32(shape.length), ...shape.toReversed().map(u64), u32(0), u64(end));
    const padding = (32 - (4 * values.length) % 32) % 32;
    data.push(Buffer.from(values.buffer, values.byteOffset, values.byteLength), Buffer.alloc(padding));
    end += 4 * values.length + padding;
  }

  const header = Buffer.concat(parts);
  fs.writeFileSync(path, Buffer.concat([header, Buffer.alloc((32 - header.length % 32) % 32), ...data]));
}
