import CMecaFiles
import Glibc
import MecaCore
import Synchronization

/// Watches over the ranks, beside the thread that works and without MPI: a rank that ends, stops
/// answering or keeps the others waiting is named while that is so, and the first two end the run.
///
/// Every rank holds a TCP connection to rank 0 and sends its `RankPlace` count each second; rank 0
/// answers. What follows is `WatchLedger`'s. MPI itself would wait for ever, and a launcher, which
/// sees processes that end, sees neither a stopped one nor a lost host for minutes.
///
/// Environment: `MECA_WATCH=off` starts none; `MECA_LATE_AFTER` and `MECA_GIVE_UP_AFTER` are seconds
/// (30 and 60).
final class RankWatch: Sendable {
  /// What a rank says in place of a count when it leaves.
  static let farewell = UInt64.max
  /// What rank 0 answers.
  static let (alive, leaving): (UInt8, UInt8) = (1, 2)

  let size: Int
  let host: String
  let place: RankPlace
  let limits: WatchLedger.Limits
  /// What a connection begins with, so that nobody else's is taken for one of the run's.
  let token: UInt64
  private let rank: Int
  private let hasLeft = Atomic<Bool>(false)
  /// On rank 0 all connections, on others the one to rank 0.
  private let connections = Mutex<[WatchSocket]>([])

  /// Begins to watch; nil where that is not wanted, or where there is nobody else.
  ///
  /// - Ranks: collective.
  static func started(on communicator: Communicator) throws -> RankWatch? {
    guard communicator.size > 1 else { return nil }
    // Rank 0's environment decides, since a launcher passes it on to some hosts only.
    let wanted = communicator.rank == 0 ? wantedLimits() : nil
    let late = try communicator.broadcastValue(wanted?.late ?? 0)
    let giveUp = try communicator.broadcastValue(wanted?.giveUp ?? 0)
    guard late > 0, giveUp > 0 else { return nil }
    let limits = WatchLedger.Limits(late: late, giveUp: giveUp)
    let listener =
      communicator.rank == 0 ? WatchListener(backlog: Int32(min(communicator.size, 4096))) : nil
    let port = try communicator.broadcastValue(listener?.port ?? 0)
    let token = try communicator.broadcastValue(UInt64.random(in: .min ... .max))
    let addresses = try communicator.broadcastText(
      communicator.rank == 0 ? networkInterfaces().map(\.address).joined(separator: " ") : "")
    let hostOfZero = communicator.hosts[0]
    guard port != 0 else {
      if communicator.rank == 0 { complain("warning: no port to watch the ranks on; going on") }
      return nil
    }
    let watch = RankWatch(communicator, limits: limits, token: token)
    if let listener {
      allowDescriptors(communicator.size + 256)
      startThread {
        var watcher = RankWatcher(watch, listener)
        while !watch.hasEnded { watcher.turn() }
      }
    } else {
      let list = addresses.split(separator: " ").map(String.init)
      // On the same machine the loopback is never behind a firewall.
      let sorted = communicator.host == hostOfZero ? list.reversed() : list
      startThread { watch.report(to: sorted, port, on: hostOfZero) }
    }
    return watch
  }

  private init(_ communicator: Communicator, limits: WatchLedger.Limits, token: UInt64) {
    rank = communicator.rank
    size = communicator.size
    host = communicator.host
    place = communicator.place
    self.limits = limits
    self.token = token
  }

  /// The limits that the environment asks for; nil where nothing is to be watched.
  ///
  /// - Parameter isSilent: whether nothing is said of what is no number.
  static func wantedLimits(isSilent: Bool = false) -> WatchLedger.Limits? {
    func text(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
    func seconds(_ name: String) -> Double? {
      guard let text = text(name) else { return nil }
      if let seconds = Double(text), seconds > 0, seconds.isFinite { return seconds }
      if !isSilent {
        complain("warning: \(name)=\(text.prefix(40)): no number of seconds; the usual one is kept")
      }
      return nil
    }
    if text("MECA_WATCH") == "off" { return nil }
    var limits = WatchLedger.Limits()
    if let late = seconds("MECA_LATE_AFTER") { limits.late = late }
    if let giveUp = seconds("MECA_GIVE_UP_AFTER") { limits.giveUp = giveUp }
    return limits
  }

  /// Lets this process have so many files and connections open, if it may.
  private static func allowDescriptors(_ count: Int) {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0,
      limit.rlim_cur < UInt(count)
    else { return }
    limit.rlim_cur = min(UInt(count), limit.rlim_max)
    _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }

  /// Says that this rank ends in order, or has said itself why it ends.
  ///
  /// - Ranks: local.
  func leave() {
    guard !hasLeft.exchange(true, ordering: .relaxed) else { return }
    let words = rank == 0 ? [Self.leaving] : Self.bytes(Self.farewell)
    for socket in connections.withLock({ $0 }) { socket.send(words) }
  }

  /// Whether this rank has left.
  var hasEnded: Bool { hasLeft.load(ordering: .relaxed) }

  /// Says whom to tell when this rank leaves.
  func note(_ sockets: [WatchSocket]) { connections.withLock { $0 = sockets } }

  static func bytes(_ number: UInt64) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
  }

  static func number(_ bytes: some Collection<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  static var now: Double {
    var time = timespec()
    // Does not count the time of a machine that sleeps.
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Ends the run because a rank is lost.
  func end(_ line: String) -> Never {
    hasLeft.store(true, ordering: .relaxed)
    complain("\(line); the run ends, the same command goes on from its last checkpoint")
    _exit(ExitCode.inputOutput.rawValue)
  }
}

// MARK: - The other ranks

extension RankWatch {
  /// Connects to rank 0 and gives signs of life, for ever.
  private func report(to addresses: [String], _ port: UInt16, on hostOfZero: String) {
    let hello =
      Self.bytes(token) + Self.bytes(UInt64(rank)) + Self.bytes(UInt64(host.utf8.count)) + host.utf8
    let connected = WatchSocket.connected(to: addresses, port: port, seconds: 3) { socket in
      socket.send(hello)
      var answer: [UInt8] = []
      while answer.count < 8, socket.waits(for: POLLIN, seconds: 3) {
        guard let more = socket.received() else { return false }
        answer += more
      }
      return answer.count >= 8 && Self.number(answer[..<8]) == ~token
    }
    guard let socket = connected else { return }  // rank 0 says that it is missing
    note([socket])
    Self.bytes(Self.farewell).withUnsafeBytes {
      meca_note_farewell(socket.descriptor, $0.baseAddress, $0.count)
    }
    let zero = "rank 0 of \(size) on \(hostOfZero)"
    // Rank 0 knows more, so that it has the first word.
    let patience = limits.giveUp + 10
    var heard = Self.now
    var last = Self.now
    while !hasEnded {
      socket.send(Self.bytes(place.count))
      socket.waits(for: POLLIN, seconds: 1)
      guard let bytes = socket.received() else {
        // Rank 0 has said why, or the launcher ends everybody now; a word only if neither happens.
        sleep(10)
        if hasEnded { return }
        end("\(zero) has ended, in \(place.stage)")
      }
      if bytes.contains(Self.leaving) { return }
      let now = Self.now
      if !bytes.isEmpty {
        heard = now
      } else if now - last > WatchLedger.longestPause {
        heard += now - last
      }
      if bytes.isEmpty, now - last < 0.5 { usleep(500_000) }  // woken by a signal
      last = now
      if now - heard >= patience {
        // A rank 0 that is woken up now need not say that this one has gone.
        socket.send(Self.bytes(Self.farewell))
        end("\(zero) has not answered for \(Int(patience)) s, in \(place.stage)")
      }
    }
  }
}
