import Glibc

/// A TCP connection that never waits for the other side.
struct WatchSocket: Sendable {
  let descriptor: Int32

  /// The connection to the first of `addresses` (numeric) that takes it.
  ///
  /// - Parameters:
  ///   - seconds: the longest wait for each.
  ///   - isRight: looks at a new connection, since an address may mean another machine from here.
  static func connected(
    to addresses: [String], port: UInt16, seconds: Double, isRight: (WatchSocket) -> Bool
  ) -> WatchSocket? {
    for address in addresses {
      guard let socket = connecting(to: address, port: port) else { continue }
      if socket.waits(for: POLLOUT, seconds: seconds), socket.error == 0, isRight(socket) {
        return socket
      }
      socket.close()
    }
    return nil
  }

  private static func connecting(to address: String, port: UInt16) -> WatchSocket? {
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(address, "\(port)", &hints, &found) == 0, let place = found else {
      return nil
    }
    defer { freeaddrinfo(found) }
    let descriptor = socket(
      place.pointee.ai_family, place.pointee.ai_socktype | closeOnExec, place.pointee.ai_protocol)
    guard descriptor >= 0 else { return nil }
    let result = WatchSocket(taking: descriptor)
    guard
      connect(descriptor, place.pointee.ai_addr, place.pointee.ai_addrlen) == 0
        || errno == EINPROGRESS
    else {
      result.close()
      return nil
    }
    return result
  }

  /// Takes over a descriptor.
  init(taking descriptor: Int32) {
    self.descriptor = descriptor
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    var on: Int32 = 1
    setsockopt(
      descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  func close() { _ = Glibc.close(descriptor) }

  private var error: Int32 {
    var value: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &value, &length)
    return value
  }

  /// Waits until something can be read or written, at most so long; whether it can.
  @discardableResult
  func waits(for event: Int32, seconds: Double) -> Bool {
    var one = pollfd(fd: descriptor, events: Int16(event), revents: 0)
    return poll(&one, 1, Int32(seconds * 1000)) == 1
  }

  /// Sends a few bytes, or nothing where there is no room for them: then nobody has read for minutes.
  func send(_ bytes: [UInt8]) {
    _ = bytes.withUnsafeBytes {
      Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
  }

  /// What has come; nil if the other side has closed the connection, or it is broken.
  func received() -> [UInt8]? {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = recv(descriptor, &piece, piece.count, 0)
      if count > 0 {
        bytes += piece[..<count]
      } else if count < 0, errno == EINTR {
        continue
      } else if count < 0, errno == EAGAIN {
        return bytes
      } else {
        return bytes.isEmpty ? nil : bytes  // the end is seen with the next look
      }
    }
  }
}

private let closeOnExec = Int32(SOCK_CLOEXEC.rawValue)

/// A port that takes connections from anywhere.
struct WatchListener: Sendable {
  let socket: WatchSocket
  let port: UInt16

  /// A port that the system chooses; nil where it gives none.
  init?(backlog: Int32) {
    guard
      let (descriptor, port) = Self.bound(
        AF_INET6, sockaddr_in6(), { $0.sin6_family = sa_family_t(AF_INET6) }, { $0.sin6_port })
        ?? Self.bound(
          AF_INET, sockaddr_in(), { $0.sin_family = sa_family_t(AF_INET) }, { $0.sin_port })
    else { return nil }
    guard listen(descriptor, backlog) == 0 else {
      _ = close(descriptor)
      return nil
    }
    socket = WatchSocket(taking: descriptor)
    self.port = port
  }

  private static func bound<Address>(
    _ family: Int32, _ any: Address, _ prepare: (inout Address) -> Void,
    _ port: (Address) -> in_port_t
  ) -> (Int32, UInt16)? {
    let descriptor = Glibc.socket(family, Int32(SOCK_STREAM.rawValue) | closeOnExec, 0)
    guard descriptor >= 0 else { return nil }
    var off: Int32 = 0
    if family == AF_INET6 {
      setsockopt(
        descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &off, socklen_t(MemoryLayout<Int32>.size))
    }
    var address = any
    prepare(&address)
    var length = socklen_t(MemoryLayout<Address>.size)
    let isNamed = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isNamed else {
      _ = close(descriptor)
      return nil
    }
    return (descriptor, UInt16(bigEndian: port(address)))
  }

  /// The next connection that waits to be taken.
  func accepted() -> WatchSocket? {
    let descriptor = accept(socket.descriptor, nil, nil)
    return descriptor < 0 ? nil : WatchSocket(taking: descriptor)
  }
}
