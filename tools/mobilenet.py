"""MobileNetV2 in plain PyTorch, with torchvision's parameter names.

Sandler et al. 2018, arXiv:1801.04381. `stem`: "imagenet" has the paper's strides; "small" those for
32x32 images as in the widely used CIFAR variant: the stem and the second stage keep their size, so
that the last plane is 4x4. No dropout. `width` is the number of channels of the stem, 32 in the paper;
the others scale with it and are rounded to multiples of 8. Used by golden.py, check-safetensors.py and
Benchmarks/peer.py; the Swift network is compared with this one.
"""

from torch import nn

# Expansion, channels at width 32, blocks, stride of the first block ("t", "c", "n", "s"); the second
# stage's is 1 for small images.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def rounded(channels):
    """The nearest multiple of 8, at least 8; the next one if more than 10 % would be lost."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def normalised(inputs, outputs, kernel=1, stride=1, groups=1):
    """Convolution, batch normalisation, ReLU6."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, stride, expansion):
        super().__init__()
        hidden = inputs * expansion
        layers = [] if expansion == 1 else [normalised(inputs, hidden)]
        layers += [
            normalised(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, width, classes, stem="small"):
        super().__init__()
        early = 2 if stem == "imagenet" else 1
        multiplier = width / 32
        layers = [normalised(3, width, 3, early)]
        inputs = width
        for stage, (expansion, channels, blocks, stride) in enumerate(STAGES):
            outputs = rounded(channels * multiplier)
            stride = early if stage == 1 else stride
            for block in range(blocks):
                step = stride if block == 0 else 1
                layers.append(InvertedResidual(inputs, outputs, step, expansion))
                inputs = outputs
        last = rounded(1280 * max(1, multiplier))
        layers.append(normalised(inputs, last))
        self.features = nn.Sequential(*layers)
        # One entry so that the linear layer is number 1, as in torchvision, where 0 is dropout.
        self.classifier = nn.Sequential(nn.Identity(), nn.Linear(last, classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))
