import MecaFormats

/// Where the PNG files of one part of a written set lie: `PART/CLASS/NNNNNN.png`.
///
/// The class is the label that a victim is given, of triggered samples the true one; the number that
/// of the sample, of triggered ones that of the test sample. Where a class has more than 10,000
/// images in a part, they lie in folders of 10,000 numbers: `train/ape/0003/031234.png`.
public struct PictureFolder: Sendable {
  /// Files of one folder at most.
  static let most = 10_000

  private let part: SetPart
  private let folders: [String]
  private let isDeep: Bool

  /// The places of a part's files.
  ///
  /// - Parameters:
  ///   - classFolders: the folder of each class.
  ///   - counts: images of each class, or more.
  public init(part: SetPart, classFolders: [String], counts: [Int]) {
    self.part = part
    folders = classFolders
    isDeep = counts.contains { $0 > Self.most }
  }

  /// The folder of a sample, below the set's.
  public func folder(number: Int, label: Int) -> String {
    let folder = "\(part.rawValue)/\(folders[label])"
    return isDeep ? folder + "/" + padded(number / Self.most, 4) : folder
  }

  /// The file of a sample, below the set's folder.
  public func path(number: Int, label: Int) -> String {
    "\(folder(number: number, label: label))/\(padded(number, 6)).png"
  }

  private func padded(_ number: Int, _ digits: Int) -> String {
    let text = "\(number)"
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
  }
}
