/// Many file paths in one piece of memory: the bytes as the file system has them, which need not be
/// UTF-8.
///
/// A path as a `String` of its own takes three times the room, on every rank.
public struct PathTable: Sendable, Equatable {
  private var bytes: [UInt8] = []
  private var ends: [Int] = []

  /// No paths.
  public init() {}

  /// Number of paths.
  public var count: Int { ends.count }

  /// Appends a path; it must not hold a zero byte.
  public mutating func append(_ path: some Collection<UInt8>) {
    bytes.append(contentsOf: path)
    ends.append(bytes.count)
  }

  /// The bytes of one path.
  public subscript(index: Int) -> ArraySlice<UInt8> {
    bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
  }

  /// One path as text for people; bytes that are no UTF-8 become question marks in a box.
  public func text(_ index: Int) -> String { String(decoding: self[index], as: UTF8.self) }
}
