import MecaCore
import MecaMPI
import MecaTraining

/// Something that makes an allocation slow or keeps a run from going, and what to do about it.
package struct Complaint: Equatable {
  /// How bad it is.
  package enum Kind: String {
    /// A run would be refused, end or hang.
    case bad
    /// A run would take longer than it need.
    case slow
  }

  package var kind: Kind
  /// What is so.
  package var text: String
  /// What to do.
  package var remedy: String

  /// All values.
  package init(kind: Kind, text: String, remedy: String) {
    (self.kind, self.text, self.remedy) = (kind, text, remedy)
  }
}

/// What all ranks have found, and what follows from it; knows neither MPI nor files, so that tests can
/// tell it of any cluster.
package struct Diagnosis {
  /// At the index of each rank.
  package var ranks: [RankFacts]
  package var threads = 1
  /// Why this layout would be refused.
  package var refusal: String?
  package var output = FolderProbe()
  /// Milliseconds of an exchange of a small and of a large vector; nil for one rank.
  package var exchange: [ReductionCost] = []
  /// Seconds until the job's time is over, if that is known.
  package var timeLeft: Double?

  /// What ranks have found, with nothing else known.
  package init(ranks: [RankFacts]) { self.ranks = ranks }

  private var hosts: [(name: String, ranks: [RankFacts])] {
    Dictionary(grouping: ranks, by: \.host).sorted { $0.value[0].rank < $1.value[0].rank }
      .map { ($0.key, $0.value) }
  }

  /// Everything that there is to say against it, the worst first.
  package var complaints: [Complaint] {
    let all =
      layout() + processors() + memory() + network() + disk() + exchanges() + time()
    return all.filter { $0.kind == .bad } + all.filter { $0.kind == .slow }
  }

  private func layout() -> [Complaint] {
    var found: [Complaint] = []
    let hostOfRank = ranks.map(\.host)
    if hosts.count > 1, hosts.count < ranks.count, neighbours(on: hostOfRank) == nil {
      found.append(
        Complaint(
          kind: .slow,
          text:
            "the hosts do not have equally many ranks that are neighbours, so that gradients go "
            + "between hosts once a rank and not once a host",
          remedy: "the same slots on every host, mpirun --map-by slot"))
    }
    if let refusal {
      found.append(Complaint(kind: .bad, text: refusal, remedy: "see --shards, --batch, --threads"))
    }
    for (host, own) in hosts {
      let cores = Set(own.flatMap(\.cores))
      guard !cores.isEmpty else { continue }
      let wanted = own.count * threads
      let machine = own[0].machineCores
      if wanted > cores.count, cores.count < machine {
        found.append(
          Complaint(
            kind: .slow,
            text: "\(own.count) ranks x \(threads) threads on \(host) may use "
              + "\(cores.count) of its \(machine) cores",
            remedy:
              "mpirun --map-by slot:PE=\(threads) --bind-to core, or --bind-to none; in a job "
              + "ask for \(wanted) cores a node"))
      } else if wanted > cores.count {
        found.append(
          Complaint(
            kind: .slow,
            text:
              "\(own.count) ranks x \(threads) threads on \(host) share its \(cores.count) cores",
            remedy:
              "start \(max(1, cores.count / threads)) ranks there: more compute nothing sooner"))
      } else if let rank = own.first(where: { !$0.cores.isEmpty && $0.cores.count < threads }) {
        found.append(
          Complaint(
            kind: .slow,
            text: "rank \(rank.rank) on \(host) may use \(rank.cores.count) cores for "
              + "\(threads) threads",
            remedy: "mpirun --map-by slot:PE=\(threads) --bind-to core"))
      } else if let (one, other) = overlapping(own) {
        found.append(
          Complaint(
            kind: .slow,
            text: "ranks \(one) and \(other) on \(host) are bound to the same cores",
            remedy: "mpirun --map-by slot:PE=\(threads) --bind-to core"))
      }
    }
    return found
  }

  /// Two ranks that are bound to a part of the machine, and to the same part.
  private func overlapping(_ own: [RankFacts]) -> (Int, Int)? {
    for (place, one) in own.enumerated() where one.cores.count < one.machineCores {
      for other in own[(place + 1)...] where other.cores == one.cores {
        // A socket that several share is no fault.
        if own.filter({ $0.cores == one.cores }).count * threads > one.cores.count {
          return (one.rank, other.rank)
        }
      }
    }
    return nil
  }

  private func processors() -> [Complaint] {
    var found: [Complaint] = []
    if let other = ranks.first(where: { $0.fingerprint != ranks[0].fingerprint }) {
      found.append(
        Complaint(
          kind: .bad,
          text:
            "rank \(other.rank) on \(other.host) computes with \(other.fingerprint), rank 0 with "
            + ranks[0].fingerprint,
          remedy: "use hosts of one kind, or --engine openblas with one OPENBLAS_CORETYPE on all"))
    }
    if let note = ranks.compactMap(\.blasNote).first {
      found.append(Complaint(kind: .slow, text: note, remedy: "install a younger OpenBLAS"))
    }
    return found
  }

  private func memory() -> [Complaint] {
    var found: [Complaint] = []
    for (host, own) in hosts {
      // What Open MPI lays out for each: segments of 4 MB.
      let need = own.count * 4 << 20
      if own.count > 1, let free = own[0].sharedMemory, free < need {
        found.append(
          Complaint(
            kind: .bad,
            text: "/dev/shm of \(host) has \(megabytes(free)) free for \(own.count) ranks, "
              + "\(megabytes(need)) are wanted",
            remedy: "clear it; in a container --shm-size 1g"))
      }
      let leftovers = own.flatMap(\.leftovers)
      if !leftovers.isEmpty {
        found.append(
          Complaint(
            kind: .slow,
            text: "\(host) keeps \(leftovers.count) files and folders of launchers that are gone: "
              + leftovers.prefix(3).joined(separator: ", ") + (leftovers.count > 3 ? ", …" : ""),
            remedy: "rm -r them when no run of yours is there"))
      }
      if let free = own[0].memory, free / own.count < 500 << 20 {
        found.append(
          Complaint(
            kind: .slow,
            text: "\(host) has \(megabytes(free)) of memory left for \(own.count) ranks",
            remedy: "start fewer ranks there, or ask for more memory (--mem=0 in Slurm)"))
      }
      if own.count > 1, own.contains(where: { !$0.mayCopyMemory }) {
        found.append(
          Complaint(
            kind: .slow,
            text: "processes on \(host) may not copy each other's memory",
            remedy: "in a container --cap-add SYS_PTRACE; without it exchanges take two copies"))
      }
    }
    if let few = ranks.first(where: { $0.openFiles < ranks.count + 256 }) {
      found.append(
        Complaint(
          kind: .slow,
          text: "rank \(few.rank) on \(few.host) may have \(few.openFiles) files open",
          remedy:
            "ulimit -n \(ranks.count + 1024) before the start: rank 0 watches the others over "
            + "a connection each"))
    }
    return found
  }

  private func network() -> [Complaint] {
    guard hosts.count > 1 else { return [] }
    let prefixes = ["docker", "virbr", "br-", "veth", "lxc", "cni", "flannel", "podman"]
    let odd = ranks.flatMap { rank in
      rank.interfaces.filter { face in prefixes.contains { face.name.hasPrefix($0) } }
        .map { (rank.host, $0.name) }
    }
    var shared = Set(ranks[0].interfaces.compactMap(\.network))
    for rank in ranks { shared.formIntersection(rank.interfaces.compactMap(\.network)) }
    let network = shared.sorted().first
    if network == nil {
      return [
        Complaint(
          kind: .slow, text: "the hosts have no network in common, as far as addresses tell",
          remedy: "say which to use: mpirun --mca btl_tcp_if_include A.B.C.D/N")
      ]
    }
    guard let (host, name) = odd.first, let network else { return [] }
    return [
      Complaint(
        kind: .bad,
        text: "\(host) has the interface \(name), which leads nowhere; the first exchange may hang",
        remedy: "mpirun --mca btl_tcp_if_include \(network) --mca oob_tcp_if_include \(network)")
    ]
  }

  private func disk() -> [Complaint] {
    var found: [Complaint] = []
    if let problem = output.problem {
      found.append(
        Complaint(kind: .bad, text: problem, remedy: "choose another folder with --output"))
      return found
    }
    let kind = output.kind.map { " (\($0))" } ?? ""
    if output.milliseconds > 50 {
      found.append(
        Complaint(
          kind: .slow,
          text: "a small file takes \(fixed(output.milliseconds, 0)) ms in \(output.path)\(kind)",
          remedy: "raise --checkpoint-every; read sets from one file (meca-dist pack) or from the "
            + "nodes' own disks"))
    }
    if !output.hasLocks {
      found.append(
        Complaint(
          kind: .slow, text: "\(output.path)\(kind) has no locks",
          remedy: "see to it that two runs do not write into one folder"))
    }
    if let room = output.room, room < 1 << 30 {
      found.append(
        Complaint(
          kind: .slow, text: "\(output.path)\(kind) has \(megabytes(room)) free",
          remedy: "a run of width 64 leaves some hundred megabytes; make room"))
    }
    if let blind = ranks.first(where: { $0.seesOutput == false }) {
      found.append(
        Complaint(
          kind: .slow,
          text: "rank \(blind.rank) on \(blind.host) does not see \(output.path) as rank 0 does",
          remedy: "data must be under the same path on all hosts; results are rank 0's alone"))
    }
    return found
  }

  private func exchanges() -> [Complaint] {
    guard let large = exchange.last, large.orderedMilliseconds > 0 else { return [] }
    let several = hosts.count > 1
    // A gradient of a million numbers; a step of ResNet-18 of width 16 takes some 100 ms.
    guard large.orderedMilliseconds > 50 else { return [] }
    return [
      Complaint(
        kind: .slow,
        text: "an exchange of \(megabytes(large.bytes)) takes "
          + "\(fixed(large.orderedMilliseconds, 1)) ms (\(fixed(large.gigabytesPerSecond, 2)) GB/s a "
          + "rank)",
        remedy: several
          ? "a faster network (btl_tcp_if_include), fewer ranks a host, or a larger --batch"
          : "fewer ranks than cores, so that they do not wait for each other's turn")
    ]
  }

  private func time() -> [Complaint] {
    guard let timeLeft, timeLeft < 600 else { return [] }
    return [
      Complaint(
        kind: .slow, text: "the job ends in \(Int(max(0, timeLeft))) s",
        remedy: "ask for more time; the run saves two minutes before and goes on when started again"
      )
    ]
  }

  private func megabytes(_ bytes: Int) -> String { "\(fixed(Double(bytes) / 1e6, 1)) MB" }

  /// One line on what there is.
  package var summary: String {
    let places = hosts.map { "\($0.ranks.count) on \($0.name)" }
    let shown = places.prefix(4).joined(separator: ", ") + (places.count > 4 ? ", …" : "")
    return "\(ranks.count) ranks x \(threads) threads: \(shown)"
  }
}
