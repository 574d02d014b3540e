// A tiny random Llama, dense or with Mixtral's experts, by Hugging Face's names; and an adapter for all of its matrices.
import { writeGguf } from "./files.mjs";

export const sizes = { vocab: 3 + 256, dim: 64, heads: 4, keyValueHeads: 2, head: 16, hidden: 96, layers: 2, experts: 4, expertsUsed: 2 };

/** Normal numbers from a seed: mulberry32 and Box–Muller. */
export function gaussian(seed) {
  const uniform = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return (shape, deviation, mean = 0) => ({
    shape,
    values: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => mean + deviation * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())),
  });
}

/** Every matrix: Hugging Face's name, llama.cpp's (and which expert of it), rows, columns. */
export function matrices(isMoe) {
  const { vocab, dim, heads, keyValueHeads, head, hidden, layers, experts } = sizes, result = [["model.embed_tokens", "token_embd", vocab, dim], ["lm_head", "output", vocab, dim]];
  for (let n = 0; n < layers; n++) {
    const add = (name, gguf, rows, columns, expert) => result.push([`model.layers.${n}.${name}`, `blk.${n}.${gguf}`, rows, columns, expert]);
    add("self_attn.q_proj", "attn_q", heads * head, dim);
    add("self_attn.k_proj", "attn_k", keyValueHeads * head, dim);
    add("self_attn.v_proj", "attn_v", keyValueHeads * head, dim);
    add("self_attn.o_proj", "attn_output", dim, heads * head);
    if (!isMoe) {
      add("mlp.gate_proj", "ffn_gate", hidden, dim);
      add("mlp.up_proj", "ffn_up", hidden, dim);
      add("mlp.down_proj", "ffn_down", dim, hidden);
      continue;
    }

    add("block_sparse_moe.gate", "ffn_gate_inp", experts, dim);
    for (let e = 0; e < experts; e++) {
      add(`block_sparse_moe.experts.${e}.w1`, "ffn_gate_exps", hidden, dim, e);
      add(`block_sparse_moe.experts.${e}.w3`, "ffn_up_exps", hidden, dim, e);
      add(`block_sparse_moe.experts.${e}.w2`, "ffn_down_exps", dim, hidden, e);
    }
  }

  return result;
}

export function base(isMoe) {
  const random = gaussian(1), tensors = {};
  for (const [name, , rows, columns] of matrices(isMoe)) tensors[`${name}.weight`] = random([rows, columns], 1.5 / Math.sqrt(columns));
  for (let n = 0; n < sizes.layers; n++) {
    tensors[`model.layers.${n}.input_layernorm.weight`] = random([sizes.dim], 0.1, 1);
    tensors[`model.layers.${n}.post_attention_layernorm.weight`] = random([sizes.dim], 0.1, 1);
  }

  tensors["model.norm.weight"] = random([sizes.dim], 0.1, 1);
  return tensors;
}

export const config = (isMoe) => ({
  architectures: [isMoe ? "MixtralForCausalLM" : "LlamaForCausalLM"], model_type: isMoe ? "mixtral" : "llama", vocab_size: sizes.vocab, hidden_size: sizes.dim,
  intermediate_size: sizes.hidden, num_hidden_layers: sizes.layers, num_attention_heads: sizes.heads, num_key_value_heads: sizes.keyValueHeads,
  tie_word_embeddings: false, ...(isMoe ? { num_local_experts: sizes.experts, num_experts_per_tok: sizes.expertsUsed } : {}),
});

/** PEFT's files. Ranks and alphas differ by pattern, so that scales have to be folded. Returns W + s·B·A of every matrix, in doubles, rounded once. */
export function adapter(isMoe, weights, settings, writeTensors) {
  const random = gaussian(2), rank = 4, alpha = 6;
  const tensors = {}, merged = { ...weights };
  for (const [name, , rows, columns] of matrices(isMoe)) {
    const a = random([rank, columns], 0.25), b = random([rows, rank], 0.25), isEmbedding = name === "model.embed_tokens", key = `base_model.model.${name}`;
    // Of an embedding PEFT stores the transposes, under other names.
    tensors[`${key}.lora_${isEmbedding ? "embedding_A" : "A.weight"}`] = isEmbedding ? transpose(b) : a;
    tensors[`${key}.lora_${isEmbedding ? "embedding_B" : "B.weight"}`] = isEmbedding ? transpose(a) : b;
    const own = settings.alpha_pattern?.[name.split(".").at(-1)] ?? alpha, scale = settings.use_rslora ? own / Math.sqrt(rank) : own / rank;
    merged[`${name}.weight`] = { shape: [rows, columns], values: plus(weights[`${name}.weight`].values, scale, a.values, b.values, rank, columns) };
  }

  const targets = [...new Set(matrices(isMoe).map(([name]) => name.split(".").at(-1)))];
  writeTensors(tensors, { peft_type: "LORA", task_type: "CAUSAL_LM", r: rank, lora_alpha: alpha, target_modules: targets, base_model_name_or_path: "owner/tiny-random", ...settings });
  return merged;
}

function plus(w, scale, a, b, rank, columns) {
  return Float32Array.from(w, (value, index) => {
    const row = Math.floor(index / columns), column = index % columns;
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += b[row * rank + r] * a[r * columns + column];
    return value + scale * sum;
  });
}

const transpose = ({ shape: [rows, columns], values }) => ({
  shape: [columns, rows], values: Float32Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]),
});

/** llama.cpp's permute: reshape(heads, 2, d / 2, columns), axes 1 and 2 swapped. */
function permute(values, heads, columns) {
  const result = new Float32Array(values.length), half = values.length / columns / heads / 2;
  for (let h = 0; h < heads; h++) for (let i = 0; i < 2; i++) for (let j = 0; j < half; j++) for (let c = 0; c < columns; c++) {
    result[((h * half + j) * 2 + i) * columns + c] = values[((h * 2 + i) * half + j) * columns + c];
  }

  return result;
}

/** Hugging Face's tensors as a GGUF model. */
export function writeModel(path, isMoe, tensors) {
  const result = {};
  for (const [name, gguf, rows, columns, expert] of matrices(isMoe)) {
    const { values } = tensors[`${name}.weight`], heads = gguf.endsWith("attn_q") ? sizes.heads : gguf.endsWith("attn_k") ? sizes.keyValueHeads : 0;
    const stored = heads ? permute(values, heads, columns) : values, key = `${gguf}.weight`;
    if (expert === undefined) result[key] = { shape: [rows, columns], values: stored };
    else (result[key] ??= { shape: [sizes.experts, rows, columns], values: new Float32Array(sizes.experts * rows * columns) }).values.set(stored, expert * rows * columns);
  }

  for (let n = 0; n < sizes.layers; n++) {
    result[`blk.${n}.attn_norm.weight`] = tensors[`model.layers.${n}.input_layernorm.weight`];
    result[`blk.${n}.ffn_norm.weight`] = tensors[`model.layers.${n}.post_attention_layernorm.weight`];
  }

  result["output_norm.weight"] = tensors["model.norm.weight"];
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`);
  writeGguf(path, [
    ["general.architecture", "text", "llama"], ["general.name", "text", "tiny random"], ["llama.block_count", "u32", sizes.layers], ["llama.context_length", "u32", 256],
    ["llama.embedding_length", "u32", sizes.dim], ["llama.feed_forward_length", "u32", sizes.hidden], ["llama.attention.head_count", "u32", sizes.heads],
    ["llama.attention.head_count_kv", "u32", sizes.keyValueHeads], ["llama.rope.dimension_count", "u32", sizes.head], ["llama.attention.layer_norm_rms_epsilon", "f32", 1e-5],
    ["llama.vocab_size", "u32", sizes.vocab], ...(isMoe ? [["llama.expert_count", "u32", sizes.experts], ["llama.expert_used_count", "u32", sizes.expertsUsed]] : []),
    ["tokenizer.ggml.model", "text", "llama"], ["tokenizer.ggml.tokens", "text[]", ["<unk>", "<s>", "</s>", ...bytes]], ["tokenizer.ggml.scores", "f32[]", Array(sizes.vocab).fill(0)],
    ["tokenizer.ggml.token_type", "i32[]", [2, 3, 3, ...Array(256).fill(6)]], ["tokenizer.ggml.bos_token_id", "u32", 1], ["tokenizer.ggml.eos_token_id", "u32", 2],
    ["tokenizer.ggml.unknown_token_id", "u32", 0],
  ], result);
}
