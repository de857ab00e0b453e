import MecaNN
import Testing

/// Names of tensors as wrappers leave them.
@Suite struct WrapperPrefixTests {
  private static let own = ["conv1.weight", "layer1.0.conv1.weight", "fc.bias"]

  @Test(arguments: [
    "", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.",
    "model._orig_mod.", "net.module.", "network.", "backbone.",
  ])
  func prefixesThatAllNamesHaveAreTakenOff(prefix: String) {
    #expect(withoutWrappers(Self.own.map { prefix + $0 }) == Self.own)
  }

  @Test func aPrefixOfSomeNamesIsTheirs() {
    let names = ["model.conv1.weight", "fc.bias"]
    #expect(withoutWrappers(names) == names)
    #expect(withoutWrappers([]) == [])
  }

  /// A `Sequential` of a normalisation and the network, bare and wrapped again.
  @Test(arguments: ["", "module."])
  func thePartOfASequentialThatIsTheNetworkIsTaken(prefix: String) {
    let names = ["0.mean", "0.std"] + Self.own.map { "1." + $0 }
    #expect(withoutWrappers(names.map { prefix + $0 }) == [nil, nil] + Self.own)
    let wrapped = ["0.mean"] + Self.own.map { "1.module." + $0 }
    #expect(withoutWrappers(wrapped) == [nil] + Self.own)
    // A normalisation without tensors.
    #expect(withoutWrappers(Self.own.map { prefix + "1." + $0 }) == Self.own)
  }

  /// MobileNetV2's own names count their layers, and are nobody's wrapper.
  @Test func numbersWithinNamesStay() {
    let names = ["features.0.0.weight", "features.1.conv.0.0.weight", "classifier.1.bias"]
    #expect(withoutWrappers(names) == names)
    // Two networks in one are none of them.
    let pair = ["a", "b", "c", "d", "e"].flatMap { ["0." + $0, "1." + $0] }
    #expect(withoutWrappers(pair) == pair)
  }
}
