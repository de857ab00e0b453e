import MecaAttacks
import MecaCore
import MecaData
import MecaMPI

/// Opens a poisoned set of backdoor-toolbox.
///
/// The normalisation constants are those that the toolbox has for the data set, or of all training
/// images where it is another, with a limit too. There are no triggered test images: the toolbox puts
/// triggers in when it tests.
///
/// - Ranks: collective; the ranks share the images to look at.
func openBackdoorToolbox(
  _ configuration: DataConfiguration, communicator: Communicator
) throws -> OpenedSets {
  var folder = try communicator.collectively {
    try BackdoorToolboxFolder(
      configuration.requiredPath(with: "imgs and labels of one attack"),
      testFolder: configuration.testPath)
  }
  try communicator.collectively {
    for set in [folder.training, folder.test] {
      try set.verifyImages(of: communicator.share(of: 0..<set.count))
    }
  }
  if !folder.hasUsualNormalisation {
    let constants = try ChannelSums.meanAndDeviation(of: folder.training, communicator)
    folder.training.meanAndDeviation = constants
    folder.test.meanAndDeviation = constants
  }
  var report = OpeningReport()
  if folder.training.groundTruth != nil {
    report.notes.append(
      "backdoor-toolbox does not keep the labels that poisons had before: their given label stands "
        + "in for it")
  }
  return OpenedSets(
    training: folder.training.prefix(configuration.trainLimit),
    test: folder.test.prefix(configuration.testLimit), report: report)
}

/// Opens a record of BackdoorBench over the clean set that it was made of.
///
/// - Ranks: collective; the ranks share the pictures to look at.
func openBackdoorBench(
  _ configuration: DataConfiguration, communicator: Communicator, threads: Int
) throws -> OpenedSets {
  let (record, clean) = try communicator.collectively {
    let record = try BackdoorBenchRecord(
      configuration.requiredPath(with: "a record of BackdoorBench"),
      target: configuration.recordTarget)
    return (record, try configuration.cleanSet(of: record))
  }
  let base = try openSets(clean, communicator: communicator, threads: threads)
  return try communicator.collectively {
    guard base.training.groundTruth == nil else {
      throw UsageError.conflict(
        "--base-data \(clean.path ?? ""): holds a poisoned set; a record changes a clean one")
    }
    if let count = record.classCount, count != base.training.classNames.count {
      throw FileError.malformed(
        path: record.folder,
        reason: "was made of a set of \(count) classes, --base-data has "
          + "\(base.training.classNames.count)")
    }
    let changed =
      clean.dataset == .tinyImageNet
      ? try record.renumbered(
        forTinyImageNet: clean.path ?? "", training: base.training, test: base.test) : record
    let training = try BackdoorBenchSet(
      changed, base: base.training, isLimited: configuration.trainLimit != nil)
    let triggered = try changed.target.flatMap { target in
      try BackdoorBenchTestSet(
        changed, base: base.test, target: target, isLimited: configuration.testLimit != nil)
    }
    try training.verifyPictures(communicator.share(of: 0..<training.pictureCount))
    if let triggered { try triggered.verifyPictures(communicator.share(of: 0..<triggered.count)) }
    var report = base.report
    if record.target == nil {
      report.warnings.append(
        "\(record.folder): its poisons have several labels (all-to-all); no attack success rate is "
          + "measured")
    }
    if changed.ambiguousCount > 0 {
      report.notes.append(
        "\(changed.ambiguousCount) changed samples of the target class count as covers; the record "
          + "does not tell which of them are poisons")
    }
    return OpenedSets(
      training: training, test: base.test,
      triggered: triggered.map {
        StoredTriggeredSet(
          base: $0, target: changed.target ?? 0, testIndices: $0.testIndices, attack: nil)
      }, report: report)
  }
}

extension DataConfiguration {
  /// The clean set that a record changes: the kind that the user or the record names.
  ///
  /// - Throws: `UsageError` that names the option.
  fileprivate func cleanSet(of record: BackdoorBenchRecord) throws -> DataConfiguration {
    let kinds: [String: DatasetKind] = [
      "cifar10": .cifar10, "cifar100": .cifar100, "tiny": .tinyImageNet,
    ]
    guard let kind = baseDataset ?? record.origin.flatMap({ kinds[$0] }) else {
      throw UsageError.conflict(
        "\(record.folder) was made of \(record.origin.map { "the set \($0)" } ?? "a set not named"); "
          + "say with --base-dataset how its clean images are read")
    }
    guard let basePath else {
      throw UsageError.conflict(
        "--dataset backdoorbench needs --base-data FOLDER with the clean \(kind.rawValue) images: a "
          + "record holds those alone that were changed")
    }
    var clean = self
    (clean.dataset, clean.path, clean.basePath, clean.baseDataset) = (kind, basePath, nil, nil)
    if kind.isMadeOfImageFiles {
      clean.imageSize = imageSize ?? kind.usualImageSize
      clean.imageFit = imageFit ?? kind.usualFit
      clean.onBadImage = .stop
    }
    return clean
  }
}
