import MecaCore

/// Takes apart the dictionary text of a `.npy` head: three keys in any order, values of fixed kinds.
struct NumpyHeaderParser {
  private let text: [UInt8]
  private let path: String
  private var place = 0

  init(text: [UInt8], path: String) {
    self.text = text
    self.path = path
  }

  /// The three values of the dictionary, checked.
  mutating func parse() throws -> (NumpyElement, isBigEndian: Bool, shape: [Int]) {
    var descriptor: String?
    var isFortranOrder: Bool?
    var shape: [Int]?
    try expect("{")
    while !take("}") {
      let key = try quotedText()
      try expect(":")
      switch key {
      case "descr" where descriptor == nil: descriptor = try elementText()
      case "fortran_order" where isFortranOrder == nil: isFortranOrder = try truth()
      case "shape" where shape == nil: shape = try tuple()
      case "descr", "fortran_order", "shape": throw bad("has the key '\(key)' twice")
      default: throw bad("has the unknown key '\(key.prefix(40))'")
      }
      guard take(",") else {
        try expect("}")
        break
      }
    }
    skipBlanks()
    guard place == text.count else { throw bad("goes on after its closing brace") }
    guard let descriptor, let isFortranOrder, let shape else {
      throw bad("lacks one of the keys descr, fortran_order, shape")
    }
    let (element, isBigEndian) = try element(descriptor)
    // With one extent the two orders are the same.
    if isFortranOrder && shape.count > 1 {
      throw FileError.malformed(
        path: path,
        reason: "is in Fortran order; save numpy.ascontiguousarray(array) instead")
    }
    return (element, isBigEndian, shape)
  }

  /// What `'<f4'` stands for.
  private func element(_ descriptor: String) throws -> (NumpyElement, isBigEndian: Bool) {
    var code = Substring(descriptor)
    var order: Character = "|"
    if let first = code.first, "<>|=".contains(first) { order = code.removeFirst() }
    if let element = NumpyElement(rawValue: String(code)),
      element.size == 1 || order == "<" || order == ">"
    {
      return (element, element.size > 1 && order == ">")
    }
    let reason =
      code.hasPrefix("O")
      ? "holds Python objects, which only pickle can read and which could run code; save an array "
        + "of plain numbers"
      : "holds elements of type '\(descriptor.prefix(40))'; save integers of 1 to 8 bytes, float32 "
        + "or float64"
    throw FileError.malformed(path: path, reason: reason)
  }

  /// The value of `descr`; a list instead of a text is a structured type.
  private mutating func elementText() throws -> String {
    skipBlanks()
    if place < text.count, text[place] == UInt8(ascii: "[") {
      throw FileError.malformed(
        path: path, reason: "holds a structured type; save one array for each field")
    }
    return try quotedText()
  }

  private mutating func quotedText() throws -> String {
    skipBlanks()
    guard place < text.count, [UInt8(ascii: "'"), UInt8(ascii: "\"")].contains(text[place]) else {
      throw bad("has no quoted text at byte \(place)")
    }
    let quote = text[place]
    guard let end = text[(place + 1)...].firstIndex(of: quote) else {
      throw bad("has a text without end at byte \(place)")
    }
    let content = text[(place + 1)..<end]
    guard content.allSatisfy({ (32...126).contains($0) && $0 != UInt8(ascii: "\\") }) else {
      throw bad("has an unusual character in the text at byte \(place)")
    }
    place = end + 1
    return String(decoding: content, as: UTF8.self)
  }

  private mutating func truth() throws -> Bool {
    skipBlanks()
    for (word, value) in [("True", true), ("False", false)]
    where text[place...].starts(with: word.utf8) {
      place += word.utf8.count
      return value
    }
    throw bad("has neither True nor False at byte \(place)")
  }

  /// `()`, `(3,)`, `(3, 4)` or `(3, 4,)`; a number may end in `L` as Python 2 wrote it.
  private mutating func tuple() throws -> [Int] {
    var extents: [Int] = []
    var endsInComma = true
    try expect("(")
    while !take(")") {
      guard endsInComma else { throw bad("has no comma between extents at byte \(place)") }
      guard extents.count < NumpyHeader.mostExtents else {
        throw bad("has more than \(NumpyHeader.mostExtents) extents")
      }
      extents.append(try number())
      endsInComma = take(",")
    }
    if extents.count == 1 && !endsInComma { throw bad("has a number for its shape, not a tuple") }
    return extents
  }

  private mutating func number() throws -> Int {
    skipBlanks()
    let start = place
    var value = 0
    while place < text.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[place]) {
      let (tens, first) = value.multipliedReportingOverflow(by: 10)
      let (sum, second) = tens.addingReportingOverflow(Int(text[place] - UInt8(ascii: "0")))
      if first || second { throw bad("has an extent that is too large at byte \(start)") }
      value = sum
      place += 1
    }
    guard place > start else { throw bad("has no number at byte \(place)") }
    if place < text.count, text[place] == UInt8(ascii: "L") { place += 1 }
    return value
  }

  private mutating func expect(_ character: Unicode.Scalar) throws {
    guard take(character) else { throw bad("has no '\(character)' at byte \(place)") }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipBlanks()
    guard place < text.count, text[place] == UInt8(ascii: character) else { return false }
    place += 1
    return true
  }

  private mutating func skipBlanks() {
    while place < text.count, [32, 9, 10, 13].contains(text[place]) { place += 1 }
  }

  private func bad(_ reason: String) -> FileError {
    .malformed(path: path, reason: "its .npy header \(reason)")
  }
}
