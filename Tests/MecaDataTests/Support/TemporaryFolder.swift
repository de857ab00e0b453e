import Glibc
import MecaFormats
import MecaTestSupport
import Testing

/// A folder of its own for one test; goes away with its owner.
final class TemporaryFolder {
  let path: String
  private var files: Set<String> = []

  init() throws {
    var template = Array("/tmp/meca-data-XXXXXX".utf8CString)
    path = String(cString: try #require(mkdtemp(&template)))
  }

  deinit {
    for file in files { remove(file) }
    rmdir(path)
  }

  /// Writes `bytes` to the file `name` and returns its path.
  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = path + "/" + name
    files.insert(file)
    try writeAnew(bytes, to: file)
    return file
  }
}

/// The bytes of a CIFAR file with the given labels; pixel p of record r is (r·7 + p·13) mod 256.
func cifarBytes(labels: [UInt8], variant: CIFARSet.Variant = .cifar10) -> [UInt8] {
  var bytes: [UInt8] = []
  for (record, label) in labels.enumerated() {
    if variant == .cifar100 { bytes.append(label / 5) }
    bytes.append(label)
    bytes += (0..<3072).map { UInt8(truncatingIfNeeded: record * 7 + $0 * 13) }
  }
  return bytes
}
