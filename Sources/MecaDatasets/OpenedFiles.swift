import Glibc
import MecaCore
import MecaFormats
import MecaImages
import MecaMPI

/// Opens a set of image files that every rank has listed: compares the lists, agrees on a size,
/// decodes each file once.
///
/// Headers and images are read by one rank each.
/// What cannot be decoded ends the run or is left out on every rank, as the configuration says.
///
/// - Ranks: collective; a failure on any rank is thrown on all.
/// - Throws: `RemoteFailure` with `UnequalData` if ranks find different files, with `MissingSetting`
///   for a folder of several sizes where none is given, with `BrokenImages`.
func openFiles(
  _ found: FoundFiles, _ configuration: DataConfiguration, communicator: Communicator,
  threads: Int
) throws -> OpenedSets {
  var splits = found.splits
  let heldOut = splits.heldOut.map {
    HeldOutRecord($0, train: splits.train, test: splits.test)
  }
  splits.train = splits.train.prefix(configuration.place.trainLimit)
  splits.test = splits.test.prefix(configuration.place.testLimit)
  splits.isWhole = splits.isWhole && splits.train.count == splits.test.count
  try requireEqualFiles(splits, configuration, communicator: communicator)
  let shape = try imageShape(
    splits, size: found.settings.size, rules: found.settings.rules, communicator: communicator,
    threads: threads)
  func set(
    _ files: ImageFileList, meanAndDeviation: (mean: [Float], standardDeviation: [Float])? = nil,
    digest: String? = nil
  ) -> ImageFileSet {
    ImageFileSet(
      name: configuration.name, files: files, imageShape: shape, fit: found.settings.fit,
      rules: found.settings.rules,
      meanAndDeviation: meanAndDeviation ?? ([0, 0, 0], [1, 1, 1]), contentDigest: digest)
  }
  var watch = DataWatch()
  if communicator.rank == 0 { watch.add([set(splits.train), set(splits.test)]) }
  let train = try checkImages(set(splits.train), communicator: communicator, threads: threads)
  // A folder that is taken whole is training and test set in one.
  var test = train
  if splits.isWhole {
    (test.broken, test.turned, test.transparent) = ([], 0, 0)
  } else {
    test = try checkImages(set(splits.test), communicator: communicator, threads: threads)
  }
  let checks = [train, test]
  var report = OpeningReport(notes: splits.notes, warnings: splits.warnings)
  let (left, leftToTest) = try communicator.collectively {
    try report.add(checks, of: splits, policy: found.settings.onBadImage)
    let left = splits.train.without(Set(train.broken.map(\.index)))
    return (
      left, splits.isWhole ? left : splits.test.without(Set(test.broken.map(\.index)))
    )
  }
  try communicator.collectively {
    try requireAllClasses(left, before: splits.train)
    if leftToTest.count == 0 {
      throw FileError.malformed(path: leftToTest.root, reason: noneLeft("test"))
    }
  }
  report.add(checks, found.settings.rules, classNames: left.classNames)
  let statistics = found.statistics ?? checks[0].sums.meanAndDeviation
  return OpenedSets(
    training: set(left, meanAndDeviation: statistics, digest: train.digest),
    test: set(leftToTest, meanAndDeviation: statistics, digest: test.digest),
    heldOut: heldOut, report: report, watch: watch)
}

/// Makes sure that all ranks found the same names and, in several places, files of the same lengths.
///
/// A place is a folder on a host; lengths are asked for once in each. Files of equal names and
/// lengths but other content in different places go unnoticed: each is read by one rank alone.
///
/// - Ranks: collective.
private func requireEqualFiles(
  _ splits: ImageFileSplits, _ configuration: DataConfiguration, communicator: Communicator
) throws {
  func digest(sizes: Bool) -> String {
    var digest = SHA256Digest()
    splits.train.update(&digest, sizes: sizes)
    splits.test.update(&digest, sizes: sizes)
    return digest.hexadecimal()
  }
  let place = "\(communicator.host):\(realPath(splits.train.root))"
  let places = try communicator.allGatherText(place)
  let isFirst = places.firstIndex(of: place) == communicator.rank
  let isSpread = places.contains { $0 != places[0] }
  let names = try communicator.allGatherText(digest(sizes: false))
  let lengths = try communicator.allGatherText(isSpread && isFirst ? digest(sizes: true) : "")
  guard
    let rank = names.indices.first(where: { rank in
      names[rank] != names[0] || !lengths[rank].isEmpty && lengths[rank] != lengths[0]
    })
  else { return }
  try communicator.collectively {
    throw UnequalData(rank: rank, path: configuration.path ?? configuration.name)
  }
}

/// Checks that no class has lost all its training images.
private func requireAllClasses(_ left: ImageFileList, before: ImageFileList) throws {
  let had = Set(before.labels)
  let has = Set(left.labels)
  if let lost = had.subtracting(has).min() {
    throw FileError.malformed(
      path: left.root, reason: noneLeft("training", of: left.classNames[Int(lost)]))
  }
}

private func noneLeft(_ kind: String, of className: String? = nil) -> String {
  "no \(kind) image" + (className.map { " of class \($0)" } ?? "") + " can be decoded"
}

extension OpeningReport {
  /// Files that are named in a warning.
  private static let mostNamed = 3

  /// Takes the broken files of both parts into the report, or stops the run because of them.
  ///
  /// - Throws: `BrokenImages` if there are any and `policy` is to stop, or if the system refuses to
  ///   read one, which leaving it out would not mend.
  fileprivate mutating func add(
    _ checks: [ImageFileCheck], of splits: ImageFileSplits, policy: BadImagePolicy
  ) throws {
    let broken = checks.flatMap(\.broken)
    guard let first = broken.first else { return }
    let total = splits.train.count + (splits.isWhole ? 0 : splits.test.count)
    if let refused = broken.first(where: { $0.exitCode != .badData }) {
      throw BrokenImages(first: refused, count: broken.count, total: total)
    }
    guard policy == .skip else {
      throw BrokenImages(first: first, count: broken.count, total: total)
    }
    leftOut = broken.map(\.reason)
    warnings.append(
      "\(broken.count) of \(total) images cannot be decoded and are left out: "
        + leftOut.prefix(Self.mostNamed).joined(separator: "; ")
        + (broken.count > Self.mostNamed ? "; and others" : ""))
  }
}

extension OpeningReport {
  /// What was done to pictures, and classes whose images are all the same.
  fileprivate mutating func add(
    _ checks: [ImageFileCheck], _ rules: PictureRules, classNames: [String]
  ) {
    let turned = checks.reduce(0) { $0 + $1.turned }
    if turned > 0 { notes.append("\(turned) images are turned as their Exif data say") }
    let transparent = checks.reduce(0) { $0 + $1.transparent }
    if transparent > 0 {
      notes.append(
        "\(transparent) images have transparent parts, which are laid on "
          + "\(rules.background.text)")
    }
    addUniform(checks[0].uniformLabels.map { classNames[$0] })
  }
}

/// Image files of a set that cannot be read.
public struct BrokenImages: ReportableError {
  /// The first of them.
  let first: BrokenImage
  /// How many there are.
  let count: Int
  /// How many files the set has.
  let total: Int

  /// The process's exit status.
  public var exitCode: ExitCode { first.exitCode }

  /// One line for people.
  public var description: String {
    let all =
      count == 1
      ? "this image" : "this and \(count - 1) other \(count == 2 ? "image" : "images")"
    let remedy =
      exitCode == .badData
      ? "repair or remove them, or leave them out with --on-bad-image skip"
      : "see to it that they can be read"
    return "\(first.reason) (\(all) of \(total) cannot be read: \(remedy))"
  }
}
