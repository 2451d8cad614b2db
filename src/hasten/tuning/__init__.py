"""Floor 4: experiments, and the plan that they prove."""
