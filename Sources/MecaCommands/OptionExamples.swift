/// An example of every option that takes a value: what a user might write.
///
/// Options of one name in several commands share one. `OptionExampleTests` has the parser read all of
/// them; an option without one is a failing test.
package enum OptionExamples {
  /// The value of an example, by the option's name.
  package static let values: [String: String] = [
    "account": "lab42", "affine-degrees": "15", "affine-scale": "0.9,1.1",
    "affine-translate": "0.05", "array": "1-3", "as": "copies", "attack": "blend",
    "attack-seed": "7", "augment": "crop,flip",
    "batch": "128", "checkpoint-every": "5", "checkpoints": "runs/shared",
    "clean-reserve": "0.05", "config": "run.yaml", "crop-padding": "8", "cutmix-alpha": "0.5",
    "cutmix-probability": "0.5", "data": "photos", "dataset": "folder",
    "deadline": "3h30m", "deadline-margin": "5", "defense": "abl", "engine": "openblas",
    "epsilon": "8",
    "epoch-test": "1000", "epochs": "100", "fail-on": "suspected", "format": "npy",
    "image-fit": "stretch",
    "image-size": "64", "index": "17", "init": "resnet18.pth",
    "jitter": "0.4,0.4,0.2", "learning-rate": "0.1", "logits": "logits.safetensors",
    "masks": "4", "mean": "0.485,0.456,0.406", "model": "resnet34", "momentum": "0.9",
    "modes": "train",
    "name": "photos", "nodes": "4", "onnx": "model.onnx", "output": "runs/mine", "overlap": "on",
    "patch-size": "3",
    "poison-rate": "0.1",
    "precision": "bf16", "preview": "sheet.png", "queue": "short", "ranks-per-node": "16",
    "repeats": "10", "resume": "must", "samples": "64", "schedule": "step",
    "scheduler": "slurm", "seed": "7", "shards": "auto",
    "spare-output": "/scratch", "std": "0.229,0.224,0.225", "stem": "imagenet",
    "stem-pooling": "max", "stem-stride": "2", "suspects": "edited.csv", "target": "7",
    "tensor-names": "cifar", "test-limit": "1000", "threads": "2", "time": "12:00:00",
    "trace": "trace.json", "train-limit": "5000", "variant": "paper",
    "weight-decay": "0.0005", "weights": "runs/mine/model.safetensors", "width": "16",
  ]

  /// What stands in place of a bare value.
  package static let positional: [String: String] = [
    "--setting": "--flag-share 0.5", "images": "photo.jpg photos", "name": "blend",
    "model": "runs/mine/model.safetensors", "options": "-- --epochs 100", "run": "runs/mine",
    "runs": "runs/mine runs/other", "weights": "runs/mine/model.safetensors",
  ]

  /// An option as somebody would write it.
  ///
  /// - Returns: nil where nobody has thought of an example.
  package static func written(_ option: OptionTable.Option) -> String? {
    switch option.kind {
    case .flag, .invertibleFlag: "--\(option.name)"
    case .positional: positional[option.name]
    case .option: values[option.name].map { "--\(option.name) \($0)" }
    }
  }
}
