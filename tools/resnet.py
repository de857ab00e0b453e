"""ResNet-18/34 in plain PyTorch, with the names of torchvision or of the variants for CIFAR.

`width` is the number of channels of the first stage (64 in the paper). `stem`: "small" is the one for
CIFAR (3x3, stride 1, no max pooling), "imagenet" the paper's (7x7, stride 2, 3x3 max pooling of stride
2); everything else is He et al. 2015, arXiv:1512.03385. `names`: "torchvision" (downsample, fc), or
"cifar" (shortcut, linear) as in BackdoorBox, backdoor-toolbox and kuangliu/pytorch-cifar.
Used by golden.py, check-safetensors.py and Benchmarks/peer.py; the Swift network is compared with
this one.
"""

import torch
from torch import nn

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}

# What a block's projection and the classifier are called.
NAMES = {"torchvision": ("downsample", "fc"), "cifar": ("shortcut", "linear")}


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride, projection):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.projection = projection
        setattr(self, projection, None)
        if stride != 1 or inputs != outputs:
            layers = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
            setattr(self, projection, layers)

    def forward(self, x):
        projection = getattr(self, self.projection)
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + (x if projection is None else projection(x)))


class ResNet(nn.Module):
    def __init__(self, architecture, width, classes, stem="small", names="torchvision"):
        super().__init__()
        projection, self.classifier = NAMES[names]
        kernel, stride = (7, 2) if stem == "imagenet" else (3, 1)
        self.conv1 = nn.Conv2d(3, width, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if stem == "imagenet" else nn.Identity()
        inputs = width
        for stage, count in enumerate(BLOCKS[architecture]):
            outputs = width << stage
            blocks = []
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(BasicBlock(inputs, outputs, stride, projection))
                inputs = outputs
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        setattr(self, self.classifier, nn.Linear(inputs, classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return getattr(self, self.classifier)(x.mean((2, 3)))
