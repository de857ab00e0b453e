import MecaCore
import MecaFormats
import MecaImages
import MecaTestSupport
import Testing

/// Records of BackdoorBench over a small clean set.
@Suite struct BackdoorBenchTests {
  /// bench() of tools/torch-fixtures.py changes samples 1, 3 and 4 of these.
  private let labels = [0, 1, 2, 3, 0, 1]

  private func clean(_ labels: [Int], offset: Int) -> MemorySet {
    MemorySet(
      name: "clean", classNames: ["a", "b", "c", "d"],
      imageShape: ImageShape(channels: 3, height: 4, width: 4), labels: labels,
      images: labels.indices.flatMap { picture(offset + $0) })
  }

  /// The fixture with its pictures, which PyTorch does not write: 100 + number for training, 200 for
  /// tests.
  private func tree() throws -> ToolboxTree {
    let tree = try ToolboxTree(copyOf: "bench")
    for (label, index) in [(1, 1), (3, 3), (0, 4)] {
      try tree.writePicture("record/wanet/bd_train_dataset/\(label)/\(index).png", 100 + index)
    }
    for (label, index) in [(1, 0), (3, 2)] {
      try tree.writePicture("record/wanet/bd_test_dataset/\(label)/\(index).png", 200 + index)
    }
    return tree
  }

  private func record(_ tree: ToolboxTree, target: Int? = nil) throws -> BackdoorBenchRecord {
    try BackdoorBenchRecord(tree.path + "/record/wanet", target: target)
  }

  @Test func readsWhatBackdoorBenchWrites() throws {
    let tree = try tree()
    let record = try record(tree)
    #expect(record.origin == "cifar10")
    #expect(record.classCount == 4)
    #expect(record.target == 2)
    #expect(record.poisonCount == 2)
    let set = try BackdoorBenchSet(record, base: clean(labels, offset: 0))
    #expect(set.labels == [0, 2, 2, 3, 2, 1])
    // Sample 3 has kept its label: WaNet's cross samples.
    #expect(
      set.groundTruth
        == GroundTruth(
          roles: [.clean, .poison, .clean, .cover, .poison, .clean],
          originalLabels: [0, 1, 2, 3, 0, 1]))
    for index in 0..<6 {
      let changed = [1, 3, 4].contains(index)
      #expect(try set.image(at: index) == picture(changed ? 100 + index : index))
      #expect(set.path(at: index).hasSuffix(changed ? "/\(index).png" : "clean#\(index)"))
    }
    let base = clean([1, 2, 3], offset: 50)
    let tests = try #require(try BackdoorBenchTestSet(record, base: base, target: 2))
    #expect(tests.testIndices == [0, 2])
    #expect(tests.labels == [1, 3])
    #expect(try tests.image(at: 0) == picture(200))
    #expect(try tests.image(at: 1) == picture(202))
    #expect(tests.path(at: 1).hasSuffix("bd_test_dataset/3/2.png"))
    #expect(set.pictureCount == 3)
    try set.verifyPictures(0..<3)
    try tests.verifyPictures(0..<2)
    // Samples of the target say nothing of an attack.
    let others = try #require(try BackdoorBenchTestSet(record, base: base, target: 3))
    #expect(others.testIndices == [0])
  }

  @Test func takesTheFirstSamplesAlone() throws {
    let tree = try tree()
    let record = try record(tree)
    let set = try BackdoorBenchSet(
      record, base: clean(Array(labels[..<3]), offset: 0), isLimited: true)
    #expect(set.labels == [0, 2, 2])
    #expect(set.groundTruth?.roles == [.clean, .poison, .clean])
    let error = #expect(throws: FileError.self) {
      try BackdoorBenchSet(record, base: clean(Array(labels[..<3]), offset: 0))
    }
    #expect(
      error?.description.hasSuffix(
        "bd_train_dataset/3/3.png: replaces sample 3, but the training set of --base-data has 3: it "
          + "must be the whole clean set") == true)
    #expect(
      try BackdoorBenchTestSet(record, base: clean([1], offset: 0), target: 1, isLimited: true)
        == nil)
  }

  @Test func noticesAnotherCleanSet() throws {
    let tree = try tree()
    let record = try record(tree)
    let error = #expect(throws: FileError.self) {
      try BackdoorBenchSet(record, base: clean([0, 1, 2, 3, 1, 1], offset: 0))
    }
    #expect(
      error?.description.hasSuffix(
        "bd_train_dataset/0/4.png: replaces sample 4 of class 0, which is of class 1 in the training "
          + "set of --base-data: it is another data set, or in another order") == true)
  }

  @Test func withoutLabelsTheTargetIsGiven() throws {
    let tree = try tree()
    let path = tree.path + "/record/wanet/attack_result.pt"
    try tree.write(
      "record/wanet/attack_result.pt",
      torchBytes(Pickle.global("os", "system") + Pickle.text("ls") + Pickle.tuple1 + Pickle.reduce))
    let error = #expect(throws: FileError.self) { try record(tree) }
    let line = error?.description ?? ""
    #expect(
      line.hasPrefix(
        "\(path): cannot tell the labels of the poisoned samples; give them with --record-target CLASS, or: "
          + "data.pkl asks for os.system at byte 2, which is not on the list of plain values; nothing "
          + "was run. Only where you trust"))
    // The list of the fixture marks all three; without it the tree does.
    for hasList in [true, false] {
      if !hasList { try tree.remove("record/wanet/train_poison_index_list.pickle") }
      let given = try record(tree, target: 0)
      #expect(given.target == 0)
      #expect(given.origin == nil)
      let set = try BackdoorBenchSet(given, base: clean(labels, offset: 0))
      #expect(set.labels == [0, 0, 2, 0, 0, 1])
      #expect(set.groundTruth?.count(.poison) == 3)
    }
    try tree.write(
      "record/wanet/train_poison_index_list.pickle", torchList([0, 1, 0, 0, 1, 0]))
    let set = try BackdoorBenchSet(record(tree, target: 0), base: clean(labels, offset: 0))
    #expect(set.labels == [0, 0, 2, 3, 0, 1])
    #expect(set.groundTruth?.roles[3] == .cover)
  }

  @Test func refusesTreesThatAreNotBackdoorBenchs() throws {
    func line(_ change: (ToolboxTree) throws -> Void) throws -> String {
      let tree = try tree()
      try change(tree)
      let error = #expect(throws: FileError.self) { try record(tree) }
      return (error?.description ?? "").replacing(tree.path + "/record/wanet/", with: "")
    }
    #expect(
      try line { try $0.remove("record/wanet/bd_train_dataset") }
        == "bd_train_dataset: not found; a record of BackdoorBench has it; attacks that "
        + "control the training (blind, lira, trojannn) leave no poisoned set")
    #expect(
      try line { try $0.writePicture("record/wanet/bd_train_dataset/frog/1.png", 0) }
        == "bd_train_dataset/frog: is no class number; BackdoorBench has them")
    #expect(
      try line { try $0.writePicture("record/wanet/bd_train_dataset/1/one.png", 0) }
        == "bd_train_dataset/1/one.png: is no sample number; BackdoorBench has NUMBER.png")
    #expect(
      try line { try $0.writePicture("record/wanet/bd_train_dataset/2/1.png", 0) }
        == "bd_train_dataset/2/1.png: sample 1 is in bd_train_dataset/1/1.png too")
    #expect(
      try line { try $0.writePicture("record/wanet/bd_train_dataset/2/5.png", 0) }
        == "bd_train_dataset/2/5.png: is not among the samples of attack_result.pt")
    #expect(
      try line { try $0.remove("record/wanet/bd_train_dataset/1") }
        == "attack_result.pt: has 3 changed samples, bd_train_dataset has 2 pictures")
    #expect(
      try line {
        try $0.remove("record/wanet/bd_train_dataset/1")
        try $0.writePicture("record/wanet/bd_train_dataset/2/1.png", 0)
      } == "bd_train_dataset/2/1.png: is of class 1 by attack_result.pt, and given the label 2")
    #expect(
      try line { try $0.remove("record/wanet/attack_result.pt") }
        == "attack_result.pt: cannot tell the labels of the poisoned samples; give them with --record-target "
        + "CLASS, or: not found; check the path")
  }

  /// A target alone cannot say which of WaNet's samples keep their label.
  @Test func crossSamplesWithoutLabelsAreRefused() throws {
    let tree = try tree()
    try tree.write("record/wanet/attack_result.pt", [])
    try tree.writePicture("record/wanet/cross_test_dataset/1/0.png", 0)
    #expect(try record(tree, target: 0).poisonCount == 3)
    try tree.remove("record/wanet/train_poison_index_list.pickle")
    let error = #expect(throws: FileError.self) { try record(tree, target: 0) }
    #expect(
      error?.description.contains(
        "cannot tell poisons from the samples of this attack that keep their label") == true)
  }

  @Test func aTargetThatIsNotTheRecordsIsRefused() throws {
    let tree = try tree()
    #expect(try record(tree, target: 2).target == 2)
    let error = #expect(throws: UsageError.self) { try record(tree, target: 1) }
    #expect(
      error?.description
        == "--record-target 1: the poisoned samples of \(tree.path)/record/wanet/attack_result.pt have the "
        + "label 2")
  }

  /// Classes count in sorted order, whatever wnids.txt has; names in bytewise order.
  @Test func tinyImageNetIsRenumbered() throws {
    let tree = try ToolboxTree()
    try tree.write("tiny/wnids.txt", Array("n2\nn1\n".utf8))
    try tree.write(
      "tiny/val/val_annotations.txt",
      Array("val_9.JPEG\tn2\nval_0.JPEG\tn2\nval_1.JPEG\tn1\t0\t0\nval_10.JPEG\tn2\n".utf8))
    func set(_ paths: [String], _ labels: [Int]) -> MemorySet {
      MemorySet(
        name: "tiny-imagenet", classNames: ["one", "two"],
        imageShape: ImageShape(channels: 3, height: 4, width: 4), labels: labels,
        images: paths.indices.flatMap { picture($0) }, path: { paths[$0] })
    }
    let training = set(
      ["n1/images/n1_0", "n1/images/n1_7", "n2/images/n2_100", "n2/images/n2_104"].map {
        "train/\($0).JPEG"
      }, [0, 0, 1, 1])
    let test = set(["val/images/val_1.JPEG", "val/images/val_10.JPEG"], [0, 1])
    // Numbers 3 and 7 of class 1, since 0, 1, 10, 100, 101, 102, 103, 104 is the order of names.
    func write(_ changed: [(index: Int, label: Int)]) throws {
      var pairs: [UInt8] = []
      for (index, label) in changed {
        try tree.writePicture("record/bd_train_dataset/\(label)/\(index).png", index)
        pairs += Pickle.int(Int32(index)) + Pickle.emptyDictionary + Pickle.text("other_info")
        pairs += Pickle.emptyList + Pickle.mark + Pickle.int(0) + Pickle.int(Int32(label))
        pairs += Pickle.appends + Pickle.setItem
      }
      let samples = Pickle.emptyDictionary + Pickle.mark + pairs + Pickle.setItems
      try tree.write(
        "record/attack_result.pt",
        torchBytes(
          Pickle.emptyDictionary + Pickle.text("bd_train") + Pickle.emptyDictionary
            + Pickle.text("bd_data_container") + Pickle.emptyDictionary + Pickle.text("data_dict")
            + samples + Pickle.setItem + Pickle.setItem + Pickle.setItem))
    }
    try tree.writePicture("record/bd_test_dataset/1/2.png", 90)
    try write([(503, 1), (507, 1)])
    func renumbered() throws -> BackdoorBenchRecord {
      try BackdoorBenchRecord(tree.path + "/record").renumbered(
        forTinyImageNet: tree.path + "/tiny", training: training, test: test)
    }
    let record = try renumbered()
    #expect(record.target == 0)
    let changed = try BackdoorBenchSet(record, base: training)
    #expect(changed.labels == [0, 0, 0, 0])
    #expect(
      changed.groundTruth
        == GroundTruth(
          roles: [.clean, .clean, .poison, .poison], originalLabels: [0, 0, 1, 1]))
    #expect(try changed.image(at: 2) == picture(503))
    #expect(try changed.image(at: 3) == picture(507))
    let triggered = try #require(try BackdoorBenchTestSet(record, base: test, target: 0))
    #expect(triggered.testIndices == [1])
    #expect(triggered.labels == [1])
    #expect(try triggered.image(at: 0) == picture(90))
    // n2_106 is not among the images: an error, or left out with a limit.
    try write([(503, 1), (507, 1), (509, 1)])
    let more = try renumbered()
    #expect(throws: FileError.self) { try BackdoorBenchSet(more, base: training) }
    let limited = try BackdoorBenchSet(more, base: training, isLimited: true)
    #expect(limited.labels == [0, 0, 0, 0])
    // Class 2 is none of Tiny ImageNet's.
    try tree.remove("record/bd_train_dataset/1")
    try write([(503, 1), (1001, 2)])
    let error = #expect(throws: FileError.self) { try renumbered() }
    #expect(
      error?.description.hasSuffix(
        "2/1001.png: replaces sample 1001, which Tiny ImageNet does not have") == true)
  }

  @Test func noticesPicturesOfAnotherSize() throws {
    let tree = try tree()
    try tree.writePicture("record/wanet/bd_train_dataset/1/1.png", 0, side: 5)
    let record = try record(tree)
    let error = #expect(throws: FileError.self) {
      try BackdoorBenchSet(record, base: clean(labels, offset: 0))
    }
    #expect(
      error?.description.hasSuffix(
        "1.png: has 5x5 pixels where the others of the set have 4x4") == true)
    try tree.writePicture("record/wanet/bd_train_dataset/1/1.png", 0)
    let set = try BackdoorBenchSet(record, base: clean(labels, offset: 0))
    try tree.writePicture("record/wanet/bd_train_dataset/0/4.png", 0, side: 5)
    try set.verifyPictures(0..<2)
    #expect(throws: FileError.self) { try set.verifyPictures(2..<3) }
    let fault = #expect(throws: FileError.self) { try set.image(at: 4) }
    #expect(fault?.description.contains("/4.png: has 5x5 pixels") == true)
  }
}
