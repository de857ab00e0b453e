import Glibc
import MecaCore
import MecaData
import MecaMPI

/// Opens a set of JPEG and PNG files: lists them, agrees on their size, decodes each once.
///
/// Every rank lists the folder, which costs little; headers and images are read by one rank each.
/// What cannot be decoded ends the run or is left out on every rank, as the configuration says.
///
/// - Ranks: collective; a failure on any rank is thrown on all.
/// - Throws: `RemoteFailure` with the error of the listing, with `UnequalData` if ranks find
///   different files, with `UsageError` for a folder of several sizes without `--image-size`, with
///   `BrokenImages`.
func openImageFiles(
  _ configuration: DataConfiguration, communicator: Communicator, threads: Int
) throws -> OpenedSets {
  guard let fit = configuration.imageFit ?? configuration.dataset.usualFit else {
    preconditionFailure("\(configuration.dataset) is not made of image files")
  }
  let splits = try communicator.collectively { try list(configuration) }
  try requireEqualFiles(splits, configuration, communicator: communicator)
  let shape = try imageShape(splits, configuration, communicator: communicator, threads: threads)
  func set(
    _ files: ImageFileList, meanAndDeviation: (mean: [Float], standardDeviation: [Float])? = nil,
    digest: String? = nil
  ) -> ImageFileSet {
    ImageFileSet(
      name: configuration.dataset.rawValue, files: files, imageShape: shape, fit: fit,
      meanAndDeviation: meanAndDeviation ?? ([0, 0, 0], [1, 1, 1]), contentDigest: digest)
  }
  let checks = try [splits.train, splits.test].map {
    try checkImages(set($0), communicator: communicator, threads: threads)
  }
  var report = OpeningReport(notes: splits.notes)
  let policy = configuration.onBadImage ?? .stop
  let (train, test) = try communicator.collectively {
    try report.add(checks, of: splits, policy: policy)
    return (
      splits.train.without(Set(checks[0].broken.map(\.index))),
      splits.test.without(Set(checks[1].broken.map(\.index)))
    )
  }
  try communicator.collectively {
    try requireAllClasses(train, before: splits.train)
    if test.count == 0 { throw FileError.malformed(path: test.root, reason: noneLeft("test")) }
  }
  let statistics = configuration.dataset.usualStatistics ?? checks[0].sums.meanAndDeviation
  return OpenedSets(
    training: set(train, meanAndDeviation: statistics, digest: checks[0].digest),
    test: set(test, meanAndDeviation: statistics, digest: checks[1].digest), report: report)
}

extension DatasetKind {
  /// Normalisation constants in general use for the set; nil where they are computed from its images.
  var usualStatistics: (mean: [Float], standardDeviation: [Float])? {
    switch self {
    case .tinyImageNet: ([0.4802, 0.4481, 0.3975], [0.2302, 0.2265, 0.2262])
    case .imagenette: ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    default: nil
    }
  }
}

/// The files of the set, as many as are asked for.
private func list(_ configuration: DataConfiguration) throws -> ImageFileSplits {
  var splits: ImageFileSplits
  switch configuration.dataset {
  case .tinyImageNet:
    splits = try listTinyImageNet(
      try configuration.requiredPath(with: "wnids.txt, train and val"))
  case .imagenette:
    splits = try listImagenette(try configuration.requiredPath(with: "train and val"))
  case .folder:
    splits = try listClassFolders(
      try configuration.requiredPath(with: "a folder of images for each class"),
      testShare: configuration.testShare,
      usualShare: configuration.usualTestShare ?? usualTestShare, seed: configuration.seed)
  default:
    preconditionFailure("\(configuration.dataset) is not made of image files")
  }
  splits.train = splits.train.prefix(configuration.trainLimit)
  splits.test = splits.test.prefix(configuration.testLimit)
  return splits
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
    throw UnequalData(rank: rank, path: configuration.path ?? configuration.dataset.rawValue)
  }
}

/// A name without links and relative parts.
package func realPath(_ path: String) -> String {
  guard let resolved = realpath(path, nil) else { return path }
  defer { free(resolved) }
  return String(cString: resolved)
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
    let total = splits.train.count + splits.test.count
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
