import MecaCommands
import MecaMPI
import MecaTestSupport
import Testing

/// What the doctor concludes from what ranks find.
@Suite struct DiagnosisTests {
  /// Ranks on machines of 16 cores, each bound to cores of its own.
  static func cluster(hosts: Int, ranksEach: Int, coresEach: Int = 1) -> Diagnosis {
    var ranks: [RankFacts] = []
    for host in 0..<hosts {
      for slot in 0..<ranksEach {
        var facts = RankFacts()
        facts.rank = ranks.count
        facts.host = "node\(host)"
        facts.cores = Array(slot * coresEach..<(slot + 1) * coresEach)
        facts.machineCores = 16
        facts.fingerprint = "kernels"
        facts.memory = 64 << 30
        facts.sharedMemory = 32 << 30
        facts.openFiles = 1 << 20
        facts.interfaces = [
          NetworkInterface(name: "eth0", address: "10.1.0.\(host + 1)", prefix: 24)
        ]
        ranks.append(facts)
      }
    }
    var diagnosis = Diagnosis(ranks: ranks)
    diagnosis.output.milliseconds = 2
    diagnosis.output.room = 1 << 40
    return diagnosis
  }

  func expectOne(
    _ diagnosis: Diagnosis, _ kind: Complaint.Kind, _ text: String, remedy: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let found = diagnosis.complaints
    #expect(found.count == 1, "\(found)", sourceLocation: sourceLocation)
    #expect(found.first?.kind == kind, "\(found)", sourceLocation: sourceLocation)
    #expect(found.first?.text.contains(text) == true, "\(found)", sourceLocation: sourceLocation)
    #expect(
      found.first?.remedy.contains(remedy) == true, "\(found)", sourceLocation: sourceLocation)
  }

  @Test func aGoodClusterHasNothingAgainstIt() {
    #expect(Self.cluster(hosts: 4, ranksEach: 16).complaints.isEmpty)
    var hybrid = Self.cluster(hosts: 2, ranksEach: 4, coresEach: 4)
    hybrid.threads = 4
    #expect(hybrid.complaints.isEmpty)
    #expect(hybrid.summary == "8 ranks x 4 threads: 4 on node0, 4 on node1")
  }

  @Test func coresThatAreShared() {
    var bound = Self.cluster(hosts: 1, ranksEach: 2)
    bound.ranks[1].cores = bound.ranks[0].cores
    expectOne(bound, .slow, "may use 1 of its 16 cores", remedy: "--bind-to core")
    var many = Self.cluster(hosts: 1, ranksEach: 8)
    for rank in many.ranks.indices {
      many.ranks[rank].cores = [0, 1]
      many.ranks[rank].machineCores = 2
    }
    expectOne(many, .slow, "share its 2 cores", remedy: "start 2 ranks")
    var threads = Self.cluster(hosts: 1, ranksEach: 2, coresEach: 4)
    threads.threads = 3
    threads.ranks[1].cores = [4]
    threads.ranks[0].cores = Array(5..<12)
    expectOne(threads, .slow, "rank 1 on node0 may use 1 cores for 3", remedy: "slot:PE=3")
  }

  @Test func ranksThatAreNoNeighbours() {
    var dealt = Self.cluster(hosts: 2, ranksEach: 2)
    (dealt.ranks[1].host, dealt.ranks[2].host) = ("node1", "node0")
    for rank in dealt.ranks.indices { dealt.ranks[rank].cores = [rank] }
    expectOne(dealt, .slow, "once a rank and not once a host", remedy: "--map-by slot")
    var uneven = Self.cluster(hosts: 2, ranksEach: 2)
    uneven.ranks.removeLast()
    expectOne(uneven, .slow, "equally many", remedy: "same slots")
  }

  @Test func machinesThatDoNotFitTogether() {
    var mixed = Self.cluster(hosts: 2, ranksEach: 1)
    mixed.ranks[1].fingerprint = "others"
    expectOne(mixed, .bad, "rank 1 on node1 computes with others", remedy: "hosts of one kind")
  }

  @Test func interfacesThatLeadNowhere() {
    var docker = Self.cluster(hosts: 2, ranksEach: 1)
    docker.ranks[1].interfaces.insert(
      NetworkInterface(name: "docker0", address: "172.17.0.1", prefix: 16), at: 0)
    expectOne(
      docker, .bad, "node1 has the interface docker0", remedy: "btl_tcp_if_include 10.1.0.0/24")
    var apart = Self.cluster(hosts: 2, ranksEach: 1)
    apart.ranks[1].interfaces[0].address = "10.2.0.1"
    expectOne(apart, .slow, "no network in common", remedy: "btl_tcp_if_include")
    var alone = Self.cluster(hosts: 1, ranksEach: 2)
    alone.ranks[0].interfaces[0].name = "docker0"
    #expect(alone.complaints.isEmpty, "within a machine it does not matter")
  }

  @Test func memoryAndWhatOthersLeft() {
    var small = Self.cluster(hosts: 1, ranksEach: 8)
    for rank in small.ranks.indices { small.ranks[rank].sharedMemory = 1 << 20 }
    expectOne(small, .bad, "/dev/shm of node0", remedy: "--shm-size")
    var left = Self.cluster(hosts: 1, ranksEach: 2)
    left.ranks[0].leftovers = ["/dev/shm/vader_segment.a", "/dev/shm/vader_segment.b"]
    expectOne(left, .slow, "keeps 2 files and folders", remedy: "rm -r")
    var traced = Self.cluster(hosts: 1, ranksEach: 2)
    traced.ranks[1].mayCopyMemory = false
    expectOne(traced, .slow, "copy each other's memory", remedy: "SYS_PTRACE")
  }

  @Test func disksTimeAndNetworkThatAreSlow() {
    var disk = Self.cluster(hosts: 1, ranksEach: 1)
    disk.output.milliseconds = 400
    disk.output.kind = "NFS"
    expectOne(disk, .slow, "takes 400 ms", remedy: "pack")
    var late = Self.cluster(hosts: 1, ranksEach: 1)
    late.timeLeft = 30
    expectOne(late, .slow, "ends in 30 s", remedy: "more time")
    var full = Self.cluster(hosts: 1, ranksEach: 1)
    full.output.problem = "out: cannot write: No space left on device"
    expectOne(full, .bad, "No space left", remedy: "--output")
  }

  /// What would keep a run from going stands first.
  @Test func theWorstStandsFirst() {
    var both = Self.cluster(hosts: 2, ranksEach: 1)
    both.timeLeft = 30
    both.ranks[1].fingerprint = "others"
    #expect(both.complaints.map(\.kind) == [.bad, .slow])
  }

  @Test func networksAreThoseOfTheirAddresses() {
    func network(_ address: String, _ prefix: Int) -> String? {
      NetworkInterface(name: "eth0", address: address, prefix: prefix).network
    }
    #expect(network("10.1.2.3", 24) == "10.1.2.0/24")
    #expect(network("192.168.77.200", 20) == "192.168.64.0/20")
    #expect(network("1.2.3.4", 32) == "1.2.3.4/32")
    #expect(network("fd00::2", 64) == nil && network("1.2.3", 8) == nil)
  }
}

extension ProgramTests {
  /// The command where the tests run.
  @Suite struct DoctorTests {
    @Test func itLooksAtThisMachine() throws {
      let folder = try TestFolder()
      let outcome = try meca(
        ranks: 3, ["doctor", "--output", folder.path + "/new/run"], timeout: soon)
      #expect([0, 1].contains(outcome.status), "\(outcome.errors)")
      #expect(outcome.output.hasPrefix("3 ranks x 1 threads: 3 on "), "\(outcome.output)")
      #expect(outcome.output.contains("Open MPI") && outcome.output.contains("exchange: "))
      #expect(outcome.output.contains("output: \(folder.path)"), "\(outcome.output)")
      #expect(!folder.has("new"))
    }

    /// A layout that a run would be refused for.
    @Test func itSaysWhatWouldBeRefused() throws {
      let outcome = try meca(ranks: 2, ["doctor", "--threads", "5"], timeout: soon)
      expectOneLine(outcome, status: 1, ["a run would be refused here"])
      #expect(outcome.output.contains("bad: 2 ranks x 5 threads need"), "\(outcome.output)")
    }
  }
}
