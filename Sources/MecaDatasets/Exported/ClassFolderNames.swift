/// Names of folders for classes, one each, in which the class names can be recognised.
///
/// Letters and digits of ASCII, `-`, `_` and, inside, `.` stay; every other byte of the UTF-8 text
/// becomes `%` and two hexadecimal digits, so that a name can be had back. A name that is empty, too
/// long for a folder, or not the only one of its kind becomes `~` and the number of the class,
/// which no other can be, since `~` is always escaped.
///
/// Example: `t-shirt/top`, `.`, `ape`, `ape` become `t-shirt%2Ftop`, `%2E`, `~2`, `~3`.
public func classFolderNames(_ classNames: [String]) -> [String] {
  let escaped = classNames.map(escapedFolderName)
  // Some file systems do not tell upper from lower case.
  let uses = Dictionary(grouping: escaped) { $0.lowercased() }.mapValues(\.count)
  return escaped.enumerated().map { number, name in
    name.isEmpty || name.utf8.count > 200 || uses[name.lowercased()]! > 1 ? "~\(number)" : name
  }
}

/// The same, in an order that programs which sort folders by name give the classes' own numbers to
/// (torchvision's `ImageFolder`): where the names by themselves sort otherwise, the class's number goes
/// before each.
///
/// Example: `ship`, `ape` become `0-ship`, `1-ape`; `ape`, `ship` stay.
public func orderedFolderNames(_ classNames: [String]) -> [String] {
  let names = classFolderNames(classNames)
  let isOrdered = zip(names, names.dropFirst()).allSatisfy {
    $0.utf8.lexicographicallyPrecedes($1.utf8)
  }
  if isOrdered { return names }
  let digits = "\(names.count - 1)".count
  return names.enumerated().map { number, name in
    let text = "\(number)"
    return String(repeating: "0", count: digits - text.count) + text + "-" + name
  }
}

/// A class name with everything escaped that a folder should not have in its name.
private func escapedFolderName(_ name: String) -> String {
  let bytes = Array(name.utf8)
  var result = ""
  for (place, byte) in bytes.enumerated() {
    let isDot = byte == UInt8(ascii: ".") && place > 0 && place + 1 < bytes.count
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
      result.unicodeScalars.append(Unicode.Scalar(byte))
    case _ where isDot: result += "."
    default: result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
    }
  }
  return result
}
