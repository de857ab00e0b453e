import Foundation
import MecaCore
import MecaImages

/// The keys by which a record is recognised and by which it checks itself.
private struct RecordKeys: Decodable {
  var version: Int
  var sha256: String?

  private enum CodingKeys: String, CodingKey {
    case sha256
    case version = "meca_dist_set"
  }
}

extension SetRecord {
  /// Whether a set that this program has written, or begun to write, lies in `folder`.
  public static func isWrittenSet(_ folder: String) -> Bool {
    if SetManifest.isManifest(folder + "/" + SetManifest.fileName) { return true }
    guard let content = try? readFile(at: folder + "/" + fileName, limit: mostBytes) else {
      return false
    }
    return (try? JSONDecoder().decode(RecordKeys.self, from: Data(content))) != nil
  }

  /// What tells written sets apart: SHA-256 of the record of the one in `folder`, which knows that of
  /// its manifest, or a word for an incomplete one; empty if there is none.
  public static func identity(of folder: String) -> String {
    guard isWrittenSet(folder) else { return "" }
    guard let content = try? readFile(at: folder + "/" + fileName, limit: mostBytes) else {
      return "incomplete"
    }
    var digest = SHA256Digest()
    digest.update(content)
    return digest.hexadecimal()
  }

  /// Bytes of a record at most: class names are the most of it.
  private static let mostBytes = 1 << 26

  /// Reads the record of the set in `folder`.
  ///
  /// - Throws: `FileError` that names the file: missing, so that the set is incomplete, changed, or
  ///   with values that cannot be.
  public init(folder: String) throws {
    let path = folder + "/" + Self.fileName
    func bad(_ reason: String) -> FileError { .malformed(path: path, reason: reason) }
    let content: [UInt8]
    do {
      content = try readFile(at: path, limit: Self.mostBytes)
    } catch FileError.missing {
      throw FileError.missing(
        path: path,
        hint: "the set in this folder is incomplete; write it again (meca-dist poison --force)")
    }
    let keys: RecordKeys
    do {
      keys = try JSONDecoder().decode(RecordKeys.self, from: Data(content))
    } catch {
      throw bad("is not JSON that meca-dist poison writes")
    }
    guard keys.version == 1 else {
      throw bad("has version \(keys.version); this program knows version 1")
    }
    if let own = keys.sha256 { try Self.checkDigest(own, of: content, path: path) }
    do {
      self = try JSONDecoder().decode(SetRecord.self, from: Data(content))
    } catch let DecodingError.keyNotFound(key, _) {
      throw bad("lacks the key \(key.stringValue)")
    } catch {
      throw bad("has a value of the wrong kind")
    }
    try validate(path: path)
  }

  private static func checkDigest(_ own: String, of content: [UInt8], path: String) throws {
    let places = content.ranges(of: Array(own.utf8))
    var digest = SHA256Digest()
    if let place = places.last, own.utf8.count == 64 {
      digest.update(Array(content[..<place.lowerBound]))
      digest.update(Array(noDigest.utf8))
      digest.update(Array(content[place.upperBound...]))
    }
    guard digest.hexadecimal() == own else {
      throw FileError.malformed(
        path: path,
        reason:
          "was changed after it was written (its sha256 does not fit); write the set again, or "
          + "take the key sha256 out if the change is your own")
    }
  }

  private func validate(path: String) throws {
    func bad(_ reason: String) -> FileError { .malformed(path: path, reason: reason) }
    try facts.validate(path: path)
    let numbers = [counts.train, counts.test, counts.triggered, counts.poison, counts.cover]
    guard numbers.allSatisfy({ $0 >= 0 && $0 <= Int(Int32.max) }),
      counts.poison + counts.cover <= counts.train
    else { throw bad("has counts that cannot be") }
    if let target, !facts.classNames.indices.contains(target) {
      throw bad("says that the target is class \(target) of \(facts.classNames.count)")
    }
    guard target != nil || (counts.triggered == 0 && counts.poison == 0) else {
      throw bad("names no target for its poisoned samples")
    }
    if let classFolders {
      let safe =
        Set(classFolders).count == classFolders.count
        && classFolders.allSatisfy { !$0.isEmpty && !$0.contains("/") && !$0.hasPrefix(".") }
      guard safe, classFolders.count == facts.classNames.count else {
        throw bad("has class_folders that cannot be")
      }
    }
    if let attack {
      do {
        guard try attack.resolved(among: facts.classNames) == attack else {
          throw bad("names classes of its attack by words, not by numbers")
        }
        try attack.validate(classCount: facts.classNames.count, imageShape: facts.imageShape)
      } catch {
        throw bad("records an attack that cannot be: \(error)")
      }
      guard attack.target == target else { throw bad("names two targets") }
    }
  }

  /// Reads the manifest beside the record, and holds the two against each other.
  ///
  /// - Throws: `FileError` that names file, line and reason.
  public func manifest(folder: String) throws -> SetManifest {
    let path = folder + "/" + SetManifest.fileName
    let manifest = try SetManifest(
      path: path, classCount: facts.classNames.count, target: target)
    let train = manifest.rows(of: .train)
    let found = [
      train.count, manifest.rows(of: .test).count, manifest.rows(of: .triggered).count,
      train.count { $0.role == .poison }, train.count { $0.role == .cover },
    ]
    let wanted = [counts.train, counts.test, counts.triggered, counts.poison, counts.cover]
    let names = ["training", "test", "triggered", "poisoned", "cover"]
    for place in names.indices where found[place] != wanted[place] {
      throw FileError.malformed(
        path: path,
        reason: "lists \(found[place]) \(names[place]) samples, \(Self.fileName) says "
          + "\(wanted[place])")
    }
    return manifest
  }

  /// Makes sure that the manifest is the one that the record was written with.
  ///
  /// The last of all checks: whatever contradicts itself has been named with its line by then.
  ///
  /// - Throws: `FileError` that names the manifest.
  func checkManifestDigest(folder: String) throws {
    let path = folder + "/" + SetManifest.fileName
    var digest = SHA256Digest()
    try MappedFile(path: path).withBytes { digest.update($0) }
    guard digest.hexadecimal() == manifestSHA256 else {
      throw FileError.malformed(
        path: path,
        reason: "was changed after it was written (\(Self.fileName) has another manifest_sha256); "
          + "write the set again")
    }
  }
}
