"""Where does the time of a Hugging Face Trainer go? One callback."""

import tempfile

import torch
from torch.utils.data import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

import hasten


class Sentences(Dataset[dict[str, torch.Tensor]]):
    """Random tokens with random labels."""

    def __len__(self) -> int:
        return 200

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(index)
        tokens = torch.randint(0, 100, (16,), generator=generator)
        return {"input_ids": tokens, "labels": tokens[0] % 2}


def main() -> None:
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    model = BertForSequenceClassification(BertConfig(vocab_size=100, **size))
    watching = hasten.transformers_watch()
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            folder, per_device_train_batch_size=10, num_train_epochs=1, report_to=[], use_cpu=True, save_strategy="no"
        )
        Trainer(model, args, train_dataset=Sentences(), callbacks=[watching]).train()
    print(watching.profile().verdict)


if __name__ == "__main__":
    main()
