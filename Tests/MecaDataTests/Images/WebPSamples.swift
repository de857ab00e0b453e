import Foundation
import MecaImages

/// A WebP file and the picture that Pillow 13.0.0 (libwebp 1.6.0) decodes from it.
///
/// The drawing of `JPEGSample`; opacity is 255, and 20·column + row where column + row divides by 3.
/// Made with Pillow's `Image.save`: quality 90, or `lossless=True, exact=True`; the last with the Exif
/// orientation 6, which decoding leaves alone.
struct WebPSample: Sendable, CustomStringConvertible {
  let name: String
  let file: [UInt8]
  /// Channel, row, column.
  let pixels: [UInt8]
  /// Row, column; empty where the file has none.
  let alpha: [UInt8]

  static let shape = ImageShape(channels: 3, height: 10, width: 13)

  var description: String { name }

  private init(_ name: String, file: String, pixels: String, alpha: String = "") {
    func bytes(_ text: String) -> [UInt8] { Array(Data(base64Encoded: text) ?? Data()) }
    self.name = name
    self.file = bytes(file)
    self.pixels = bytes(pixels)
    self.alpha = bytes(alpha)
  }

  static let all = [
    WebPSample(
      "lossy",
      file: """
        UklGRoYAAABXRUJQVlA4IHoAAAAwAgCdASoNAAoAAMASJbACdLcAAY+8KNTzgAD+/7Tn7/TLkN5GXgKIifZ8zEH7/TJz\
        5q8aAVbEnjvZ6StC6zF3/4xWzb+h56l/X6s8oS/9Budf9r/+Vf6i/1RG/0gP8zvE7fAP/VxB/5QHH/VRy/P/Rb/8ZV/K\
        NeAAAA==
        """,
      pixels: """
        AAkfNUxfdYaTpLvM2wURKUJddoqYoK/E1eQBESlKeJGdoqKrwNDgAxErVa3MzcOqq8DR4AUTKmHF7+/XtqvB0N8KFClc\
        qtDRvLGqv9DfCBMmQmuHl56fqr/O3woUJjlMXnCBlqq/zt8KFic3TF9yg5erwNHeEx4uQldoe4yitMvc6gMGBwUCAAAA\
        AAEBAQQYGxsYEQ8TFhcXGRkcMDExKyMfIyYsLzAxM0hLSkBGOjtARUpLTE5hY2ZVPy4vOVdiY2Rne3+Bck8+PURxenx8\
        f5CUmJKHgoiOk5WXmJqrrrKwrq2wsLGvsbK0xMjIx8fGyMnJx8nJytrd3Nzc3N7e3t3e3uADCQ8VGRsiKjI4QkhPERcd\
        HxsgKTRBS1NYXxkfJyMZFh0rR1ZfZGsmKTIpLSAiMU5kbHJ5MDQ5LiIPCx9VbXV7gjk9Qz0lFxMiYniAho0+RE1OTk9X\
        ZnqGjpOaS1FZYWZsdn6IkJiepVphZ2t0eoKIkZefpa1pb3R7hImSl56krLK6
        """),
    WebPSample(
      "lossless",
      file: """
        UklGRlIAAABXRUJQVlA4TEYAAAAvDEACALkuRPQ/dlGG6H8oFEWSGmGDN/5wjJo7DqZSBNk2cxjXAC90LsJso/1nNbJD\
        PZSYAETGio/iB2zrAP6Rl0ibhi8A
        """,
      pixels: """
        ABMmOUxfcoWYq77R5AATJjlMX3KFmKu+0eQAEyY5TF9yhZirvtHkABMmOf////+Yq77R5AATJjn/////mKu+0eQAEyY5\
        /////5irvtHkABMmOUxfcoWYq77R5AATJjlMX3KFmKu+0eQAEyY5TF9yhZirvtHkABMmOUxfcoWYq77R5AAAAAAAAAAA\
        AAAAAAAZGRkZGRkZGRkZGRkZMjIyMjIyMjIyMjIyMktLS0soKCgoS0tLS0tkZGRkKCgoKGRkZGRkfX19fSgoKCh9fX19\
        fZaWlpaWlpaWlpaWlpavr6+vr6+vr6+vr6+vyMjIyMjIyMjIyMjIyOHh4eHh4eHh4eHh4eEABw4VHCMqMTg/Rk1UCxIZ\
        ICcuNTxDSlFYXxYdJCsyOUBHTlVcY2ohKC82AAAAAFlgZ251LDM6QQAAAABka3J5gDc+RUwAAAAAb3Z9hItCSVBXXmVs\
        c3qBiI+WTVRbYmlwd36FjJOaoVhfZm10e4KJkJeepaxjanF4f4aNlJuiqbC3
        """),
    WebPSample(
      "lossy with opacity",
      file: """
        UklGRgIBAABXRUJQVlA4WAoAAAAQAAAADAAACQAAQUxQSFoAAAABgBUKAAHnjAK+AtwKWAW8Al4Bq4BXwCtgFfAKeAWs\
        r1cjIiJAHWPs8UaRfta5J0UHC1wQppFJDvmkwhBbPJGlm2WuidHCDCf8UMsou7xSoI817kjSzjzn/ANWUDggggAAADAC\
        AJ0BKg0ACgAAwBIlsAJ0twABkDnnsMZgAP7/lMexN6mpWx/rL37Ga5B1V/AxmPMQ+e/sSksNe75d0TYk8d7PSVoWpOTf\
        +MVs2/oeepf1+rPNXxHtz2+/2v/5V/qL/VEb/SA/0ubf9cA/92Wf+UBx/pU8S1/0W//HZNZ/4374AAA=
        """,
      pixels: """
        ShEpOENUbX6RorjJ2AITKj9ZcIaVmqi+zt0DEiZFf5umpaKovs/eAxEfVLfZ2cyrqb/Q3wIOJV3F7+/VtqzB0uMFEiZZ\
        psrMuLKrwtPiCBQoRGyHl6CircLT4woWKjtOXnKEmazC0+QJFik7TV1yhJepwNLjER0yQ1Rkeo2fssjb7U4HBQMHBQMC\
        BgYGBgkWGhcSERATFhcYGRocMjc2Jh4YHSMvMTM0Nk5QSkRENjk/Q0pLS05jZmdWQS4xOFdiY2Rme36AclI/P0Vxent7\
        fpCTlpGIhIqNkpWWlpipq66urq2vrrCvr7Cyw8bGx8jHyMjJyMnIytnc29zd3N3c3t3e3d5PDBEVGRsiJzI4QkhPDxcb\
        GxkeKDE8Rk5UWxwkKh4YFRsoRlReZGspLS4sMCIkM0thaW92MDQ4LiMPDR5Ta3N5gDg8QjwmFRMgYHZ+hIs+RExOT1Fa\
        ZnaBjJGYSlBYYGdudn6Gjpaco1lgZWx1eoKIj5efpaxobnV7hIiQlp2jq7G6
        """,
      alpha: """
        AP//PP//eP//tP//8P//Kf//Zf//of//3f//Fv//Uv//jv//yv//A///P///e///t///8///LP//aP//pP//4P//Gf//\
        Vf//kf//zf//Bv//Qv//fv//uv//9v//L///a///p///4///HP//WP//lP//0P//Cf//Rf//gf//vf//+Q==
        """),
    WebPSample(
      "lossless with opacity",
      file: """
        UklGRtAAAABXRUJQVlA4TMQAAAAvDEACEDmFAAKgoInof7wrQhGi/yFhFEmSlLLRXtYGNkYlNrAxCjgd3L+dBjFsW7kO\
        1+Y55NDuA7TLIYfg/vY7MGxtqwnJzdsEsHedhq3sfTbjJKwiyWo05OAJBShCAYpQcHpIn5cVtm2DFMZ7BIxAfgQkIQcC\
        UpDakYbkjmyhXwMaupcdHRBizb6FtF35f/J95H171o3LpsMSejRQLZYTTD+n2lg2QxL+8xxr7LNGyNmRsseqid0SZ+ie\
        NULngTehuGZ/
        """,
      pixels: """
        ABMmOUxfcoWYq77R5AATJjlMX3KFmKu+0eQAEyY5TF9yhZirvtHkABMmOf////+Yq77R5AATJjn/////mKu+0eQAEyY5\
        /////5irvtHkABMmOUxfcoWYq77R5AATJjlMX3KFmKu+0eQAEyY5TF9yhZirvtHkABMmOUxfcoWYq77R5AAAAAAAAAAA\
        AAAAAAAZGRkZGRkZGRkZGRkZMjIyMjIyMjIyMjIyMktLS0soKCgoS0tLS0tkZGRkKCgoKGRkZGRkfX19fSgoKCh9fX19\
        fZaWlpaWlpaWlpaWlpavr6+vr6+vr6+vr6+vyMjIyMjIyMjIyMjIyOHh4eHh4eHh4eHh4eEABw4VHCMqMTg/Rk1UCxIZ\
        ICcuNTxDSlFYXxYdJCsyOUBHTlVcY2ohKC82AAAAAFlgZ251LDM6QQAAAABka3J5gDc+RUwAAAAAb3Z9hItCSVBXXmVs\
        c3qBiI+WTVRbYmlwd36FjJOaoVhfZm10e4KJkJeepaxjanF4f4aNlJuiqbC3
        """,
      alpha: """
        AP//PP//eP//tP//8P//Kf//Zf//of//3f//Fv//Uv//jv//yv//A///P///e///t///8///LP//aP//pP//4P//Gf//\
        Vf//kf//zf//Bv//Qv//fv//uv//9v//L///a///p///4///HP//WP//lP//0P//Cf//Rf//gf//vf//+Q==
        """),
    WebPSample(
      "turned",
      file: """
        UklGRoYAAABXRUJQVlA4WAoAAAAIAAAADAAACQAAVlA4TEYAAAAvDEACALkuRPQ/dlGG6H8oFEWSGmGDN/5wjJo7DqZS\
        BNk2cxjXAC90LsJso/1nNbJDPZSYAETGio/iB2zrAP6Rl0ibhi8ARVhJRhoAAABNTQAqAAAACAABARIAAwAAAAEABgAA\
        AAAAAA==
        """,
      pixels: """
        ABMmOUxfcoWYq77R5AATJjlMX3KFmKu+0eQAEyY5TF9yhZirvtHkABMmOf////+Yq77R5AATJjn/////mKu+0eQAEyY5\
        /////5irvtHkABMmOUxfcoWYq77R5AATJjlMX3KFmKu+0eQAEyY5TF9yhZirvtHkABMmOUxfcoWYq77R5AAAAAAAAAAA\
        AAAAAAAZGRkZGRkZGRkZGRkZMjIyMjIyMjIyMjIyMktLS0soKCgoS0tLS0tkZGRkKCgoKGRkZGRkfX19fSgoKCh9fX19\
        fZaWlpaWlpaWlpaWlpavr6+vr6+vr6+vr6+vyMjIyMjIyMjIyMjIyOHh4eHh4eHh4eHh4eEABw4VHCMqMTg/Rk1UCxIZ\
        ICcuNTxDSlFYXxYdJCsyOUBHTlVcY2ohKC82AAAAAFlgZ251LDM6QQAAAABka3J5gDc+RUwAAAAAb3Z9hItCSVBXXmVs\
        c3qBiI+WTVRbYmlwd36FjJOaoVhfZm10e4KJkJeepaxjanF4f4aNlJuiqbC3
        """),
  ]
}
