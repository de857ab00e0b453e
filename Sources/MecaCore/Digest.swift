import COpenSSL

/// SHA-256 of the file that this process runs; empty where the system does not tell.
///
/// - Ranks: local; hosts with the same program get the same.
public func programDigest() -> String { digestOfOwnFile }

private let digestOfOwnFile: String = {
  guard let content = try? readFile(at: "/proc/self/exe") else { return "" }
  var digest = SHA256Digest()
  digest.update(content)
  return digest.hexadecimal()
}()

/// SHA-256 of bytes that come in pieces (OpenSSL's libcrypto).
public struct SHA256Digest: ~Copyable {
  private let context: OpaquePointer

  /// An empty message.
  public init() {
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      preconditionFailure("libcrypto offers no SHA-256")
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  /// Appends `bytes` to the message.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 else {
      preconditionFailure("SHA-256 failed on \(bytes.count) bytes")
    }
  }

  /// Appends an array's elements as they lie in memory (little endian).
  public mutating func update<Element: BitwiseCopyable>(_ elements: [Element]) {
    elements.withUnsafeBytes { update($0) }
  }

  /// The digest of everything appended: 32 bytes.
  public consuming func bytes() -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    guard EVP_DigestFinal_ex(context, &digest, nil) == 1 else {
      preconditionFailure("SHA-256 could not be finished")
    }
    return digest
  }

  /// The digest of everything appended, as 64 lower-case hexadecimal digits.
  public consuming func hexadecimal() -> String { MecaCore.hexadecimal(bytes()) }
}

/// SHA-256 of a file, in hexadecimal digits.
///
/// - Throws: `FileError` if it cannot be read.
public func fileDigest(_ path: String) throws -> String {
  var digest = SHA256Digest()
  digest.update(try readFile(at: path))
  return digest.hexadecimal()
}

/// Bytes as lower-case hexadecimal digits, two each.
public func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(
    decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
