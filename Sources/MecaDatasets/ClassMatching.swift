import MecaCore
import MecaImages

/// The classes of a set in the order of a model's.
struct ClassMatching {
  /// The model's names.
  let names: [String]
  /// The model's number of each of the set's classes.
  let numbers: [Int]

  /// Matches classes by their names.
  ///
  /// Names are compared as texts, so that the two Unicode forms of an accented letter are the same.
  /// Where one side has made-up names (`class 0` and so on) numbers are all there is.
  ///
  /// - Returns: nil where nothing is to be changed.
  /// - Throws: `OtherClasses` if the names are others.
  init?(_ own: [String], to wanted: [String], path: String, model: String) throws {
    if own == wanted || areMadeUp(own) || areMadeUp(wanted) { return nil }
    let places = Dictionary(
      wanted.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    let numbers = own.compactMap { places[$0] }
    guard own.count == wanted.count, Set(numbers).count == own.count else {
      throw OtherClasses(path: path, own: own, model: model, wanted: wanted)
    }
    names = wanted
    self.numbers = numbers
  }
}

/// Whether names of classes are no more than their numbers: `class 0`, `class 1` and so on.
public func areMadeUp(_ classNames: [String]) -> Bool {
  classNames.enumerated().allSatisfy { $1 == "class \($0)" }
}

/// A model was trained on other classes than a set has.
public struct OtherClasses: ReportableError {
  let path: String
  let own: [String]
  let model: String
  let wanted: [String]

  /// The process's exit status.
  public var exitCode: ExitCode { .usage }

  /// One line for people, with both lists.
  public var description: String {
    func list(_ names: [String]) -> String {
      let most = 24
      return names.prefix(most).map { printable($0) }.joined(separator: ", ")
        + (names.count > most ? ", and \(names.count - most) more" : "")
    }
    let (mine, other) = (Set(own), Set(wanted))
    let parts = [
      ("only in the data", own.filter { !other.contains($0) }),
      ("only in the model", wanted.filter { !mine.contains($0) }),
    ].filter { !$0.1.isEmpty }.map { "\($0): \(list($1))" }
    return "\(model) knows the classes \(list(wanted)); \(path) has \(list(own))"
      + (parts.isEmpty ? "" : " (" + parts.joined(separator: "; ") + ")")
      + ": rename folders, or take the set that the model was trained for"
  }
}

/// A set whose classes have other numbers.
struct RelabelledSet: DerivedSet {
  let base: any ImageSet
  let matching: ClassMatching

  var classNames: [String] { matching.names }
  var contentDigest: String? {
    base.contentDigest.map { known in
      var digest = SHA256Digest()
      digest.update(Array(known.utf8))
      digest.update(matching.numbers)
      return digest.hexadecimal()
    }
  }
  var groundTruth: GroundTruth? {
    base.groundTruth.map { truth in
      GroundTruth(
        roles: truth.roles,
        originalLabels: truth.originalLabels.map { Int32(matching.numbers[Int($0)]) })
    }
  }

  func label(at index: Int) -> Int { matching.numbers[base.label(at: index)] }
}
