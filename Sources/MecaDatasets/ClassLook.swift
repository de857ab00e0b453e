import MecaCore

/// What the images of a class look like: whether all are the same.
struct ClassLook: BitwiseCopyable, Sendable {
  /// Images.
  var count = 0
  /// What tells the first from others: the first 64 bits of its SHA-256.
  var first: UInt64 = 0
  /// Whether there is another.
  var hasOthers = false

  /// Whether all of several are the same.
  var isUniform: Bool { count > 1 && !hasOthers }

  /// Adds one image.
  mutating func add(_ image: [UInt8]) {
    if count > 0 && hasOthers {
      count += 1
      return
    }
    var digest = SHA256Digest()
    digest.update(image)
    add(
      ClassLook(
        count: 1, first: digest.bytes().prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
        hasOthers: false))
  }

  /// Adds what others have seen.
  mutating func add(_ other: ClassLook) {
    guard other.count > 0 else { return }
    hasOthers = hasOthers || other.hasOthers || count > 0 && first != other.first
    if count == 0 { first = other.first }
    count += other.count
  }
}

extension OpeningReport {
  /// Warns of classes whose training images are all the same.
  mutating func addUniform(_ names: [String]) {
    guard !names.isEmpty else { return }
    warnings.append(
      "all training images of a class are the same: "
        + names.prefix(8).map { printable($0) }.joined(separator: ", ")
        + (names.count > 8 ? " and \(names.count - 8) others" : ""))
  }
}
