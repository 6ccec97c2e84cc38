"""The model of `qkv train` as a user of PyTorch would write it: a decoder with fused attention, GELU, layer norm
without bias, the embedding as the last product, and AdamW with warm-up, cosine and clipping."""
import math
import time

import torch
from torch import nn
from torch.nn import functional as F

LEARNING_RATE, FINAL_SHARE, WARM_UP, CLIP = 1e-3, 0.1, 100, 1.0
VALIDATION_SHARE = 0.1


class Layer(nn.Module):
    """Attention, then a feed-forward layer; each reads the normed stream and adds to it."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm_before_attention = nn.LayerNorm(width, bias=False)
        self.joint = nn.Linear(width, 3 * width, bias=False)
        self.mix = nn.Linear(width, width, bias=False)
        self.norm_before_expansion = nn.LayerNorm(width, bias=False)
        self.expand = nn.Linear(width, 4 * width, bias=False)
        self.contract = nn.Linear(4 * width, width, bias=False)

    def forward(self, stream):
        batch, length, width = stream.shape
        joint = self.joint(self.norm_before_attention(stream))
        q, k, v = joint.view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        blend = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        stream = stream + self.mix(blend.transpose(1, 2).reshape(batch, length, width))
        return stream + self.contract(F.gelu(self.expand(self.norm_before_expansion(stream))))


class Decoder(nn.Module):
    """Predicts the next token."""

    def __init__(self, vocabulary, context, layers, heads, width):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(context, width)
        self.layers = nn.ModuleList([Layer(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width, bias=False)
        self.register_buffer("all_places", torch.arange(context), persistent=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                ends_a_branch = "mix" in name or "contract" in name
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * layers) if ends_a_branch else 0.02)

    def forward(self, tokens, targets):
        stream = self.tokens(tokens) + self.places(self.all_places[:tokens.shape[1]])
        for layer in self.layers:
            stream = layer(stream)
        logits = F.linear(self.norm(stream), self.tokens.weight)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))


class Run:
    """A model being trained: `config` has vocabulary, context, layers, heads, width, batch, seed and steps."""

    def __init__(self, config, text):
        torch.manual_seed(config["seed"])
        self.model = Decoder(*(config[name] for name in ("vocabulary", "context", "layers", "heads", "width")))
        matrices = [p for p in self.model.parameters() if p.dim() == 2]
        vectors = [p for p in self.model.parameters() if p.dim() == 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
            lr=LEARNING_RATE, betas=(0.9, 0.99), fused=True)
        cut = len(text) - int(len(text) * VALIDATION_SHARE)
        self.learning, self.validation = text[:cut], text[cut:]
        self.context, self.batch, self.last_step = config["context"], config["batch"], config["steps"]
        self.steps_done = 0

    def draw(self, text):
        """A batch of tokens, and what follows each of them."""
        starts = torch.randint(len(text) - self.context, (self.batch, 1)) + torch.arange(self.context)
        return text[starts], text[starts + 1]

    def rate(self):
        """Warm-up, then half a cosine."""
        if self.steps_done < WARM_UP:
            return LEARNING_RATE * (self.steps_done + 1) / WARM_UP
        share = min(1.0, (self.steps_done - WARM_UP) / max(1, self.last_step - WARM_UP))
        return LEARNING_RATE * (FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * share)))

    def step(self):
        """One step on one batch."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        loss = self.model(*self.draw(self.learning))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimiser.step()
        self.steps_done += 1

    def validation_loss(self, batches):
        """Mean loss over random batches of the last tenth."""
        with torch.no_grad():
            return sum(self.model(*self.draw(self.validation)).item() for _ in range(batches)) / batches


def steps(config):
    """For the benchmark of speed: a step on random tokens."""
    return Run(config, torch.randint(config["vocabulary"], (100_000,))).step


def learn(config):
    """Trains on the file `text`, characters being tokens; losses every `every` steps, the last over 200 batches."""
    with open(config["text"], encoding="utf-8", newline="") as file:
        text = file.read()
    number = {character: n for n, character in enumerate(sorted(set(text)))}
    run = Run({**config, "vocabulary": len(number)}, torch.tensor([number[character] for character in text]))
    losses, start = [], time.perf_counter()
    while run.steps_done < config["steps"]:
        run.step()
        last = run.steps_done == config["steps"]
        if last or run.steps_done % config["every"] == 0:
            losses.append([run.steps_done, run.validation_loss(200 if last else 20)])
    return {"losses": losses, "seconds": time.perf_counter() - start}
