import Glibc
import MecaCore
import MecaTensor
import Synchronization
import Testing

@Suite struct DeterminismTests {
  /// Two objects of equal shape, on one thread and on two at once, give the same bits.
  @Test(arguments: EngineKind.available, networkShapes + stemShapes + mobileShapes)
  func sameBitsForEqualInputs(kind: EngineKind, shape: ConvolutionShape) async throws {
    let engine = try makeEngine(kind)
    let first = try ConvolutionRun(engine, shape)
    #expect(try ConvolutionRun(engine, shape) == first)
    let results = await withTaskGroup(of: ConvolutionRun?.self) { group in
      for _ in 0..<2 { group.addTask { try? ConvolutionRun(engine, shape) } }
      return await group.reduce(into: [ConvolutionRun?]()) { $0.append($1) }
    }
    #expect(results == [first, first])
  }

  #if MECA_ONEDNN
    @Test func oneDNNComputesOnItsCaller() async {
      await #expect(processExitsWith: .success) { try requireNoThreads(.onednn) }
    }
  #endif

  @Test func openBLASComputesOnItsCaller() async {
    await #expect(processExitsWith: .success) { try requireNoThreads(.openblas) }
  }

  @Test func fingerprintNamesTheLibrary() throws {
    for kind in EngineKind.available {
      let engine = try makeEngine(kind)
      #expect(engine.kind == kind)
      #expect(engine.fingerprint == (try makeEngine(kind)).fingerprint)
      #expect(engine.fingerprint.hasPrefix(kind == .onednn ? "oneDNN " : "OpenBLAS core "))
    }
  }
}

/// Ends the process unless the engine computes on the calling thread alone.
///
/// In a process of its own, since other tests compute too. Helpers would take processor time that
/// is the process's but not the calling thread's, in every round alike; with one helper it is twice
/// as much. What else the process does while it starts disturbs some rounds only, so the least ratio
/// of several counts.
func requireNoThreads(_ kind: EngineKind) throws {
  let engine = try makeEngine(kind)
  let leastRatio = Mutex(Double.infinity)
  let lane = Lane {
    engine.enterThread()
    // 64 channels at 8x8 and batch 16: large enough for either library to want helpers.
    let shape = networkShapes[4]
    guard let object = try? plan(engine, shape) else { return }
    let activations = (0..<2).map { _ in AlignedStorage<Float>(count: 16 * 64 * 8 * 8) }
    let weights = AlignedStorage<Float>(count: object.weightCount)
    let prepared = AlignedStorage<Float>(count: object.preparedCount)
    for _ in 0..<40 where leastRatio.withLock({ $0 }) >= 1.3 {
      let start = (
        processorTime(CLOCK_PROCESS_CPUTIME_ID), processorTime(CLOCK_THREAD_CPUTIME_ID)
      )
      for _ in 0..<100 {
        object.forward(
          input: activations[0].pointer, weights: weights.pointer, prepared: prepared.pointer,
          output: activations[1].pointer)
      }
      let process = processorTime(CLOCK_PROCESS_CPUTIME_ID) - start.0
      let thread = processorTime(CLOCK_THREAD_CPUTIME_ID) - start.1
      leastRatio.withLock { $0 = min($0, process / thread) }
    }
  }
  lane.join()
  let ratio = leastRatio.withLock { $0 }
  precondition(ratio < 1.3, "the process takes \(ratio) times its only lane's processor time")
}

private func processorTime(_ clock: clockid_t) -> Double {
  var time = timespec()
  clock_gettime(clock, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// A plain POSIX thread that runs one closure.
final class Lane {
  private var thread = pthread_t()

  init(_ body: @escaping @Sendable () -> Void) {
    let box = Unmanaged.passRetained(Box(body))
    pthread_create(
      &thread, nil,
      { argument in
        if let argument {
          Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
        }
        return nil
      }, box.toOpaque())
  }

  func join() { pthread_join(thread, nil) }

  private final class Box {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
}
