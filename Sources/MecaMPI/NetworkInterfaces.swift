import Glibc

/// An address of this machine and the interface that has it.
public struct NetworkInterface: Codable, Equatable, Sendable {
  /// Name of the interface, for example `eth0`.
  public var name: String
  /// The address in numbers.
  public var address: String
  /// Leading bits that all addresses of its network share.
  public var prefix: Int
  /// Whether it leads to this machine alone.
  public var isLoopback: Bool

  /// All values.
  public init(name: String, address: String, prefix: Int, isLoopback: Bool = false) {
    self.name = name
    self.address = address
    self.prefix = prefix
    self.isLoopback = isLoopback
  }

  /// Its network, for example `10.0.0.0/24`; nil for addresses that are not of four numbers.
  public var network: String? {
    let parts = address.split(separator: ".").compactMap { UInt32($0) }
    guard parts.count == 4, (1...32).contains(prefix) else { return nil }
    let mask = UInt32.max << UInt32(32 - prefix)
    let number = parts.reduce(0) { $0 << 8 | $1 } & mask
    let bytes = [24, 16, 8, 0].map { String(number >> UInt32($0) & 255) }
    return bytes.joined(separator: ".") + "/\(prefix)"
  }
}

/// The addresses of this machine's interfaces that are up, those of the loopback last.
///
/// - Ranks: local.
public func networkInterfaces() -> [NetworkInterface] {
  var first: UnsafeMutablePointer<ifaddrs>?
  guard getifaddrs(&first) == 0 else { return [] }
  defer { freeifaddrs(first) }
  var found: [NetworkInterface] = []
  for entry in sequence(first: first, next: { $0?.pointee.ifa_next }) {
    guard let entry, let address = entry.pointee.ifa_addr,
      entry.pointee.ifa_flags & UInt32(IFF_UP) != 0
    else { continue }
    let family = Int32(address.pointee.sa_family)
    let length =
      family == AF_INET
      ? MemoryLayout<sockaddr_in>.size
      : family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : 0
    var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    guard length > 0,
      getnameinfo(
        address, socklen_t(length), &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0
    else { continue }
    let number = String(
      decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    // An address with a zone means something on this machine alone.
    guard !number.contains("%") else { continue }
    found.append(
      NetworkInterface(
        name: String(cString: entry.pointee.ifa_name), address: number,
        prefix: entry.pointee.ifa_netmask.map { ones(in: $0, length: length) } ?? 0,
        isLoopback: entry.pointee.ifa_flags & UInt32(IFF_LOOPBACK) != 0))
  }
  return found.filter { !$0.isLoopback } + found.filter(\.isLoopback)
}

/// The set bits of a mask.
private func ones(in mask: UnsafeMutablePointer<sockaddr>, length: Int) -> Int {
  let offset =
    length == MemoryLayout<sockaddr_in>.size
    ? MemoryLayout<sockaddr_in>.offset(of: \sockaddr_in.sin_addr)!
    : MemoryLayout<sockaddr_in6>.offset(of: \sockaddr_in6.sin6_addr)!
  let count = length == MemoryLayout<sockaddr_in>.size ? 4 : 16
  let bytes = UnsafeRawBufferPointer(start: UnsafeRawPointer(mask) + offset, count: count)
  return bytes.reduce(0) { $0 + $1.nonzeroBitCount }
}
