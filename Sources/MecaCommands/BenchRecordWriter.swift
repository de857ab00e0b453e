import Foundation
import MecaAttacks
import MecaCore
import MecaDatasets
import MecaImages
import MecaMPI
import MecaTorchFiles
import MecaTraining

/// Writes an attack as a record of BackdoorBench: the changed samples, over the clean set.
///
/// `bd_train_dataset/CLASS/NUMBER.png` and `bd_test_dataset/CLASS/NUMBER.png` hold poisons, covers and
/// triggered test images by original class and number in the clean set; `attack_result.pt` says which
/// label each has; `train_poison_index_list.pickle` says of each training sample whether it is a
/// poison. There is no model in it.
///
/// - Source: https://github.com/SCLBD/BackdoorBench, version 2: `utils/save_load_attack.py`,
///   `utils/bd_dataset_v2.py`, `attack/badnet.py`.
struct BenchRecordWriter {
  private let communicator: Communicator
  private let folder: String
  private let dataset: String
  private let data: TrainingData
  private let truth: GroundTruth
  private let triggered: any TriggeredSet
  private let shape: ImageShape
  /// The training samples that are not as they were, ascending.
  private let changed: [Int]

  /// A writer of opened data.
  ///
  /// - Ranks: local.
  /// - Parameter dataset: name of the format that the images came from.
  /// - Throws: `UsageError.conflict` for a set without attack, and for one whose samples
  ///   BackdoorBench numbers otherwise.
  init(
    _ data: TrainingData, dataset: String, folder: String, communicator: Communicator
  ) throws {
    guard let truth = data.truth, let triggered = data.triggered else {
      throw UsageError.conflict(
        "--format backdoorbench holds nothing but what an attack has changed, and there is none: "
          + "add --attack")
    }
    guard dataset != "tiny-imagenet" else {
      throw UsageError.conflict(
        "--format backdoorbench: BackdoorBench numbers classes and images of Tiny ImageNet "
          + "otherwise than this program; take --format png, npy or backdoor-toolbox")
    }
    let numbers = triggered.testIndices
    guard
      numbers.indices.allSatisfy({
        Int(numbers[$0]) < data.test.count
          && data.test.label(at: Int(numbers[$0])) == triggered.label(at: $0)
      })
    else {
      throw UsageError.conflict(
        "--format backdoorbench names triggered images by the test images that they were, and "
          + "\(dataset) does not tell which; take --format png, npy or backdoor-toolbox")
    }
    (self.communicator, self.folder, self.dataset) = (communicator, folder, dataset)
    (self.data, self.truth, self.triggered) = (data, truth, triggered)
    shape = data.training.imageShape
    changed = truth.roles.indices.filter { truth.roles[$0] != .clean }
  }

  /// Writes everything; `attack_result.pt` last.
  ///
  /// - Ranks: collective.
  /// - Throws: `RemoteFailure`.
  func write() throws {
    let training = changed.map {
      Picture(set: data.training, index: $0, path: trainPath($0))
    }
    let testing = triggered.testIndices.indices.map {
      Picture(set: triggered, index: $0, path: testPath($0))
    }
    let pictures = training + testing
    try communicator.collectively {
      guard communicator.rank == 0 else { return }
      let folders = pictures.map { $0.path.prefix(upTo: $0.path.lastIndex(of: "/")!) }
      for name in Set(folders) { try createFolder(folder + "/" + name) }
    }
    try communicator.collectively {
      for place in communicator.share(of: pictures.indices) {
        let picture = pictures[place]
        try writeNew(
          try encodePNG(try picture.set.image(at: picture.index), shape: shape),
          to: folder + "/" + picture.path)
      }
    }
    try communicator.collectively {
      try data.watch.check()
      guard communicator.rank == 0 else { return }
      let isPoison = truth.roles.map { $0 == .poison ? 1.0 : 0 }
      try writeWhole(
        Data(torchFile(.numbers(isPoison))), to: folder + "/train_poison_index_list.pickle")
      try writeWhole(Data(torchFile(result)), to: folder + "/attack_result.pt")
    }
  }

  private struct Picture {
    var set: any ImageSet
    var index: Int
    var path: String
  }

  private func trainPath(_ index: Int) -> String {
    "bd_train_dataset/\(truth.originalLabels[index])/\(index).png"
  }

  private func testPath(_ index: Int) -> String {
    "bd_test_dataset/\(triggered.label(at: index))/\(triggered.testIndices[index]).png"
  }

  /// What BackdoorBench calls the record's folder, from its own.
  private var ownPath: String { "./record/\(URL(fileURLWithPath: folder).lastPathComponent)" }

  /// The content of `attack_result.pt`.
  private var result: TorchValue {
    let training = changed.map { index in
      Sample(
        index: index, path: trainPath(index), label: Int(data.labels[index]),
        original: Int(truth.originalLabels[index]))
    }
    let testing = triggered.testIndices.indices.map { index in
      Sample(
        index: Int(triggered.testIndices[index]), path: testPath(index), label: triggered.target,
        original: triggered.label(at: index))
    }
    return .named([
      "model_name": .text("none"), "num_classes": .integer(data.classCount),
      "model": .named([:]),
      "data_path": .text("./data/\(dataset)"),
      "img_size": .tuple([shape.height, shape.width, shape.channels].map { .integer($0) }),
      "clean_data": .text(dataset),
      "bd_train": state(
        training, of: "bd_train_dataset", present: Array(0..<data.training.count),
        count: data.training.count),
      "bd_test": state(
        testing, of: "bd_test_dataset", present: testing.map(\.index), count: data.test.count),
    ])
  }

  /// A changed sample: its number and picture, the label that it is given and its own.
  private struct Sample {
    var index: Int
    var path: String
    var label: Int
    var original: Int
  }

  /// The state of one of its data sets.
  ///
  /// - Parameters:
  ///   - samples: the changed ones.
  ///   - present: numbers of the samples that the set has.
  ///   - count: samples of the clean set.
  private func state(
    _ samples: [Sample], of name: String,
    present: [Int], count: Int
  ) -> TorchValue {
    var isChanged = [Double](repeating: 0, count: count)
    for sample in samples { isChanged[sample.index] = 1 }
    let entries = samples.map { sample in
      (
        key: TorchValue.integer(sample.index),
        value: TorchValue.named([
          "path": .text("\(ownPath)/\(sample.path)"),
          "other_info": .list([.integer(sample.label), .integer(sample.original)]),
        ])
      )
    }
    let folder = TorchValue.text("\(ownPath)/\(name)")
    return .named([
      "bd_data_container": .named([
        "save_folder_path": folder, "data_dict": .dictionary(entries),
        "save_file_format": .text(".png"),
      ]),
      "getitem_all": .boolean(true), "getitem_all_switch": .boolean(false),
      "original_index_array": .integers(present), "poison_indicator": .numbers(isChanged),
      "save_folder_path": folder,
    ])
  }
}
