import MecaCore

/// A set over another one: whatever it does not say itself is as in the base set.
///
/// The defaults are right for a set with the base's samples at the same places; one that picks some
/// of them says `count`, `label`, `copyImage` and `path` itself.
public protocol DerivedSet: ImageSet {
  /// The set beneath.
  var base: any ImageSet { get }
}

extension DerivedSet {
  /// Name of the base set.
  public var name: String { base.name }
  /// Names of the classes, as in the base set.
  public var classNames: [String] { base.classNames }
  /// Size of every image, as in the base set.
  public var imageShape: ImageShape { base.imageShape }
  /// Number of samples, as in the base set.
  public var count: Int { base.count }
  /// Normalisation constants of the base set.
  public var meanAndDeviation: (mean: [Float], standardDeviation: [Float]) {
    base.meanAndDeviation
  }

  /// The base set's label.
  public func label(at index: Int) -> Int { base.label(at: index) }

  /// Writes the base set's image at `index` as bytes: channel, row, column.
  public func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) throws(FileError) {
    try base.copyImage(at: index, into: &image)
  }

  /// The files of the base set.
  public func forEachSource(_ body: ([UInt8]) -> Void) { base.forEachSource(body) }

  /// Where the base set's sample comes from.
  public func path(at index: Int) -> String { base.path(at: index) }
}
