import Glibc
import MecaCore

/// Rank 0's side of `RankWatch`: takes the ranks' connections and their signs of life, says what
/// follows from them, and ends the run where a rank is lost.
struct RankWatcher {
  /// A connection, and what is known of its other side.
  private struct Peer {
    let socket: WatchSocket
    /// nil until it has said who it is.
    var rank: Int?
    var unread: [UInt8] = []
    /// Has said something that no rank of this run says.
    var isForeign = false
  }

  private let watch: RankWatch
  private let listener: WatchListener
  private var ledger: WatchLedger
  private var peers: [Peer] = []
  private var hosts: [String]
  private var nextLook: Double
  /// When a rank that has not connected is told of.
  private var missingAt: Double

  /// Nobody has connected yet.
  init(_ watch: RankWatch, _ listener: WatchListener) {
    self.watch = watch
    self.listener = listener
    let now = RankWatch.now
    ledger = WatchLedger(size: watch.size, limits: watch.limits, at: now)
    hosts = [String](repeating: "an unknown host", count: watch.size)
    hosts[0] = watch.host
    nextLook = now + 1
    missingAt = now + watch.limits.late
  }

  private func named(_ rank: Int) -> String { "rank \(rank) of \(watch.size) on \(hosts[rank])" }

  /// Waits until something comes, at most until the next look, and does what is to be done.
  mutating func turn() {
    sleepUntilNews()
    while let socket = listener.accepted() { peers.append(Peer(socket: socket)) }
    for index in peers.indices { read(index) }
    peers.removeAll { peer in
      if peer.isForeign { peer.socket.close() }
      return peer.isForeign
    }
    watch.note(peers.filter { $0.rank != nil }.map(\.socket))
    let now = RankWatch.now
    guard now >= nextLook else { return }
    nextLook = now + 1
    for peer in peers where peer.rank != nil { peer.socket.send([RankWatch.alive]) }
    ledger.hear(0, count: watch.place.count, at: now)
    let events = ledger.look(at: now)
    for event in events { tell(event) }
    if now >= missingAt { tellMissing() }
  }

  private func sleepUntilNews() {
    var polled = ([listener.socket] + peers.map(\.socket)).map {
      pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0)
    }
    let milliseconds = max(0, (nextLook - RankWatch.now) * 1000).rounded(.up)
    _ = poll(&polled, nfds_t(polled.count), Int32(milliseconds))
  }

  /// Reads what a rank has said: token, rank, length of its host's name and that name; then counts.
  private mutating func read(_ index: Int) {
    guard let bytes = peers[index].socket.received() else {
      // Whoever has left in order is no longer in the ledger.
      if let rank = peers[index].rank, !ledger.unwatched.contains(rank), !watch.hasEnded {
        watch.end(
          "\(named(rank)) has ended unexpectedly in \(watch.place.stage) (killed, by the system for "
            + "lack of memory perhaps, or its host is lost)")
      }
      peers[index].isForeign = true
      return
    }
    var unread = peers[index].unread + bytes
    if peers[index].rank == nil, unread.count >= 24 {
      let length = Int(clamping: RankWatch.number(unread[16..<24]))
      let rank = Int(clamping: RankWatch.number(unread[8..<16]))
      guard RankWatch.number(unread[..<8]) == watch.token, (1..<watch.size).contains(rank),
        length < 1024
      else {
        peers[index].isForeign = true
        return
      }
      if unread.count >= 24 + length {
        hosts[rank] = String(decoding: unread[24..<24 + length], as: UTF8.self)
        peers[index].rank = rank
        unread.removeFirst(24 + length)
        peers[index].socket.send(RankWatch.bytes(~watch.token))
      }
    }
    if let rank = peers[index].rank {
      while unread.count >= 8 {
        let count = RankWatch.number(unread[..<8])
        unread.removeFirst(8)
        if count == RankWatch.farewell {
          ledger.leave(rank)
        } else {
          ledger.hear(rank, count: count, at: RankWatch.now)
        }
      }
    }
    peers[index].unread = unread
  }

  private mutating func tellMissing() {
    missingAt = .infinity
    guard let first = ledger.unwatched.first else { return }
    writeLine(
      "warning: rank \(first) of \(watch.size) has not connected to rank 0 on \(watch.host), port "
        + "\(listener.port): a firewall? The run goes on, but would not notice if that rank stopped "
        + "answering")
  }

  private func tell(_ event: WatchLedger.Event) {
    func whole(_ seconds: Double) -> String { "\(Int(seconds.rounded())) s" }
    let stage = watch.place.stage
    switch event {
    case .late(let rank, let seconds):
      writeLine(
        "warning: \(named(rank)) has kept the others waiting for \(whole(seconds)) in \(stage)")
    case .goesOn(let rank, let seconds):
      writeLine("warning: \(named(rank)) goes on, after more than \(whole(seconds))")
    case .silent(let rank, let seconds):
      writeLine("warning: nothing was heard of \(named(rank)) for \(whole(seconds)), in \(stage)")
    case .heardAgain(let rank): writeLine("warning: \(named(rank)) is heard again")
    case .allWait(let seconds):
      writeLine(
        "warning: all ranks have waited for each other for \(whole(seconds)) in \(stage): their "
          + "messages do not get through; look at the network between the hosts")
    case .givenUp(let rank, let seconds):
      watch.end(
        "\(named(rank)) has not answered for \(whole(seconds)), in \(stage): its process is stopped, "
          + "or its host or the network is lost")
    }
  }
}
