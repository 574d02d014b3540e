// llama.cpp itself reads what LoraKit writes, and computes with it what the merged model does. See README.md.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { gguf } from "@huggingface/gguf";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { readSafetensors, writeSafetensors } from "./files.mjs";
import { adapter, base, config, sizes, writeModel } from "./model.mjs";

const tool = (process.env.LORA ?? "dotnet lora").split(" ");
const lora = (...line) => execFileSync(tool[0], [...tool.slice(1), ...line, "--quiet", "--no-fsync"], { stdio: ["ignore", "pipe", "inherit"] });
const tolerance = 1e-3, prompt = [1, ...Array.from(Buffer.from("LoRA: W + s·B·A"), (byte) => 3 + byte)];
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
const work = fs.mkdtempSync(path.join(os.tmpdir(), "lorakit-interop-"));

/** The logits behind every token of the prompt. */
async function logits(modelPath, loraPath) {
  const model = await llama.loadModel({ modelPath, useMmap: false });
  const context = await model.createContext({
    contextSize: 64, flashAttention: false, experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32", ...(loraPath ? { lora: loraPath } : {}),
  });
  const output = await context.getSequence().controlledEvaluate(prompt.map((token) => [token, { generateNext: { logits: true } }]));
  const result = output.map((each) => Array.from({ length: sizes.vocab }, (_, token) => each.next.logits.get(token)));
  await context.dispose();
  await model.dispose();
  assert.ok(result.flat().every(Number.isFinite));
  return result;
}

const distance = (one, other) => Math.max(...one.flatMap((row, i) => row.map((value, j) => Math.abs(value - other[i][j]))));

async function check(name, isMoe, settings) {
  const at = (...parts) => path.join(work, name, ...parts), weights = base(isMoe);
  for (const folder of ["base", "adapter"]) fs.mkdirSync(at(folder), { recursive: true });
  writeSafetensors(at("base", "model.safetensors"), weights);
  fs.writeFileSync(at("base", "config.json"), JSON.stringify(config(isMoe)));
  writeModel(at("base.gguf"), isMoe, weights);
  const merged = adapter(isMoe, weights, settings, (tensors, json) => {
    writeSafetensors(at("adapter", "adapter_model.safetensors"), tensors);
    fs.writeFileSync(at("adapter", "adapter_config.json"), JSON.stringify(json));
  });
  writeModel(at("merged.gguf"), isMoe, merged);

  lora("convert", at("adapter"), "--to", "gguf", "--base", at("base"), "--out", at("adapter.gguf"));
  const { metadata, tensorInfos } = await gguf(at("adapter.gguf"), { allowLocalFile: true });
  assert.equal(metadata["general.architecture"], "llama");
  assert.equal(metadata["general.type"], "adapter");
  assert.equal(metadata["adapter.type"], "lora");
  assert.equal(metadata["general.base_model.0.repo_url"], "https://huggingface.co/owner/tiny-random");
  assert.equal(tensorInfos.length % 2, 0);
  const q = tensorInfos.find((tensor) => tensor.name === "blk.0.attn_q.weight.lora_b");
  assert.deepEqual([q.shape.map(Number), q.dtype], [[4, sizes.heads * sizes.head], 0]);

  const of = { base: await logits(at("base.gguf")), adapter: await logits(at("base.gguf"), at("adapter.gguf")), merged: await logits(at("merged.gguf")) };
  const report = { change: distance(of.base, of.merged), "adapter on base": distance(of.adapter, of.merged) };

  // The adapter read back from GGUF, merged by LoraKit into Hugging Face's weights.
  lora("merge", "--base", at("base"), "--adapter", at("adapter.gguf"), "--out", at("hf"));
  writeModel(at("hf.gguf"), isMoe, readSafetensors(at("hf", "model.safetensors")));
  report["merged by lora, as HF"] = distance(await logits(at("hf.gguf")), of.merged);

  // The merge into the GGUF base, where LoraKit has it.
  if (process.env.LORA_MERGES_GGUF !== "0") {
    for (const from of ["adapter", "adapter.gguf"]) {
      const out = at(`of-${from.replace(".", "-")}.gguf`);
      lora("merge", "--base", at("base.gguf"), "--adapter", at(from), "--out", out);
      await gguf(out, { allowLocalFile: true });
      const found = await logits(out);
      report[`merged by lora, ${from} into GGUF`] = distance(found, of.merged);
      report["the same, and adapter on base"] = Math.max(report["the same, and adapter on base"] ?? 0, distance(found, of.adapter));
    }
  }

  console.log(name, report);
  assert.ok(report.change > 100 * tolerance, "the adapter changes the logits");
  for (const [what, value] of Object.entries(report)) if (what !== "change") assert.ok(value < tolerance, `${what}: ${value}`);
}

try {
  await check("dense", false, {});
  await check("dense, scales by pattern and rsLoRA", false, { use_rslora: true, alpha_pattern: { v_proj: 3, down_proj: 10, lm_head: -2 } });
  await check("experts", true, { alpha_pattern: { w2: 3, gate: 1 } });
} finally {
  fs.rmSync(work, { recursive: true });
  await llama.dispose();
}
