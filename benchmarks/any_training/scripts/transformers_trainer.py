"""Hugging Face's Trainer: transformers_trainer.py OUT [slow-loader]."""

import sys
import tempfile
import time

import torch
import transformers
from kept import keep


def collated(samples):
    """Return a batch, after a wait where one is planted."""
    if "slow-loader" in sys.argv:
        time.sleep(0.03)
    return transformers.default_data_collator(samples)


torch.set_num_threads(1)
transformers.set_seed(0)
ids = torch.randint(0, 50, (160, 16))
data = [{"input_ids": row, "labels": row} for row in ids]
config = transformers.GPT2Config(vocab_size=50, n_positions=16, n_embd=32, n_layer=2, n_head=2)
model = transformers.GPT2LMHeadModel(config)
with tempfile.TemporaryDirectory() as folder:
    arguments = transformers.TrainingArguments(
        folder, num_train_epochs=2, per_device_train_batch_size=4, gradient_accumulation_steps=2, use_cpu=True,
        report_to=[], save_strategy="no", eval_strategy="epoch", logging_steps=10, disable_tqdm=True,
    )  # fmt: skip
    trainer = transformers.Trainer(model, arguments, train_dataset=data, eval_dataset=data[:32], data_collator=collated)
    print(trainer.train().training_loss)
keep(sys.argv[1], model)
